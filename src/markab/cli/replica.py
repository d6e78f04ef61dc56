"""`markab replica` and `pegasus-rc-client`."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from markab import operations
from markab.cli.command import command
from markab.cli.common_options import json_option, pegasus_command, verbose_option
from markab.cli.output import echo, echo_json

if TYPE_CHECKING:
    from markab.catalogs.replica_store import Entry

ACTIONS = ("add", "list", "lookup", "remove", "clear")


@command()
@click.argument("action", type=click.Choice(ACTIONS))
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "-C",
    "--catalog",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The catalog: YAML, text or SQLite.",
)
@click.option("-s", "--site", metavar="SITE", help="Site of the place; local by default when adding.")
@click.option("-m", "--metadata", multiple=True, metavar="KEY=VALUE", help="With add: metadata of the file.")
@click.option("--checksum", is_flag=True, help="With add: compute the sha256 of a file on this machine.")
@click.option("--regex", is_flag=True, help="With add: NAME is a regular expression.")
@click.option("--conf", metavar="FILE", help="Properties file; ./pegasus.properties by default.")
@click.option("-y", "--yes", is_flag=True, help="With clear: confirm it.")
@json_option("With list and lookup: print objects.")
@verbose_option
def replica(action: str, names: Sequence[str], **flags: Any) -> int:
    """Query and change a replica catalog: the places of files.

    \b
    add NAME PLACE       add a place of a file: a path or a URL
    list [PATTERN]       list all files, or the names that match (* and ? as in a shell)
    lookup NAME…         list the places of these files; exits with 1 if one has none
    remove NAME [PLACE]  remove a file, or one of its places
    clear --yes          remove all files

    The catalog is the one that the properties name, else ./replicas.yml. The
    catalog of a run's results is `<workflow>-0.replicas.db` in its submit directory;
    `list` and `lookup` take it inside of a run, unless another one is named.
    YAML and text files are rewritten: comments at their top are kept, others are lost.
    """
    _check(action, names, flags)
    if action != "add" and flags["catalog"] is not None and not flags["catalog"].exists():
        from markab.errors import StorageError

        raise StorageError(
            f"there is no catalog {str(flags['catalog'])!r}", hint="check the name; `add` creates it"
        )
    store = operations.open_replica_catalog(flags["catalog"] or _results_here(action, flags), flags["conf"])
    if action == "add":
        number = store.insert([_added(names[0], names[1], flags)])
        echo(f"{names[0]}: {'added' if number else 'the catalog already has this place'}")
    elif action == "remove":
        operations.remove_replicas(store, names[0], names[1] if len(names) == 2 else None, flags["site"])
        echo(f"{' '.join(names)}: removed")
    elif action == "clear":
        echo(f"{_places(store.clear())} removed")
    else:
        return _show(action, names, store, flags)
    _warn(store)
    return 0


def _results_here(action: str, flags: dict[str, Any]) -> Path | None:
    """Return the catalog of the surrounding run, for questions that name no other one."""
    if action not in ("list", "lookup") or flags["conf"] is not None:
        return None
    catalog = operations.catalog_of_results() if not Path("replicas.yml").exists() else None
    return catalog if catalog is not None and catalog.exists() else None


def _check(action: str, names: Sequence[str], flags: dict[str, Any]) -> None:
    wanted = {"add": (2, 2), "list": (0, 1), "lookup": (1, sys.maxsize), "remove": (1, 2), "clear": (0, 0)}
    least, most = wanted[action]
    if not least <= len(names) <= most:
        words = {"add": "a NAME and a PLACE", "lookup": "a NAME", "remove": "a NAME, and perhaps a PLACE"}
        raise click.UsageError(f"`{action}` takes {words.get(action, 'nothing more')}")
    if action == "clear" and not flags["yes"]:
        raise click.UsageError("`clear` removes all files from the catalog; confirm it with --yes")
    if action != "add" and (flags["metadata"] or flags["checksum"] or flags["regex"]):
        raise click.UsageError("--metadata, --checksum and --regex are for `add`")


def _added(lfn: str, place: str, flags: dict[str, Any]) -> Entry:
    attributes = dict(_pairs(flags["metadata"]))
    try:
        return operations.make_replica(
            lfn, place, flags["site"] or "local", attributes, regex=flags["regex"], checksum=flags["checksum"]
        )
    except ValueError:
        raise click.UsageError(
            "--checksum is for files on this machine; use -m checksum.value=… instead"
        ) from None


def _show(action: str, names: Sequence[str], store: operations.ReplicaStore, flags: dict[str, Any]) -> int:
    patterns = {"lfn": names[0]} if action == "list" and names else {}
    if flags["site"] is not None:
        patterns["site"] = flags["site"]
    found = operations.find_replicas(store, names if action == "lookup" else None, patterns)
    if flags["as_json"]:
        import msgspec

        echo_json(msgspec.to_builtins(found))
    else:
        for entry in found:
            echo(entry.line())
    missing = [name for name in names if name not in {entry.lfn for entry in found}]
    if action == "lookup" and missing:
        echo(f"no replica: {', '.join(missing)}", err=True)
        return 1
    return 0


@pegasus_command("pegasus-rc-client")
@click.argument("words", nargs=-1, metavar="[COMMAND [ARGUMENT]...]")
@click.option(
    "-D", "properties", multiple=True, metavar="KEY=VALUE", help="Set a property; stronger than files."
)
@click.option("-c", "--conf", metavar="FILE", help="Properties file; ./pegasus.properties by default.")
@click.option(
    "-f", "--file", "script", metavar="FILE", help="Read commands from FILE, one a line; - is stdin."
)
@click.option(
    "-i", "--insert", "bulk_insert", metavar="FILE", help="Insert every line of FILE: LFN PFN KEY=VALUE…"
)
@click.option("-d", "--delete", "bulk_delete", metavar="FILE", help="Delete every line of FILE.")
@click.option(
    "-p", "--pref", "preferences", multiple=True, metavar="KEY=VALUE", help="Accepted; `set` shows them."
)
@verbose_option
def pegasus_rc_client(words: Sequence[str], **flags: Any) -> int:
    """Query and change the replica catalog that the properties name; ./replicas.yml by default.

    \b
    insert LFN PFN [KEY=VALUE]…   add a place; site=, checksum.value=, regex=true, metadata
    delete LFN PFN [KEY=VALUE]…   remove a place
    lookup LFN…                   list the places of files
    remove LFN…                   remove files with all their places
    list [lfn|pfn|KEY PATTERN]…   list all places, or those that match; % matches any text
    set [KEY [VALUE]]             show or set a preference
    clear                         remove all files

    Without a command, commands are read from stdin. YAML and text files are
    rewritten: comments at their top are kept, others are lost.
    """
    if (
        sum([bool(words), *(flags[name] is not None for name in ("script", "bulk_insert", "bulk_delete"))])
        > 1
    ):
        raise click.UsageError("a command, -f, -i and -d exclude each other")
    store = operations.open_replica_catalog(None, flags["conf"], dict(_pairs(flags["properties"])))
    session = ClientSession(store, dict(_pairs(flags["preferences"])))
    if flags["bulk_insert"] is not None:
        session.bulk(flags["bulk_insert"], delete=False)
    elif flags["bulk_delete"] is not None:
        session.bulk(flags["bulk_delete"], delete=True)
    elif words:
        session.execute(words)
    else:
        session.read(flags["script"] or "-")
    _warn(session.store)
    return 0


class ClientSession:
    """The commands of `pegasus-rc-client` on one catalog."""

    def __init__(self, store: operations.ReplicaStore, preferences: dict[str, str]) -> None:
        self.store = store
        self._preferences = preferences

    def execute(self, words: Sequence[str]) -> bool:
        """Execute a command; return False if it ends the session."""
        name, rest = words[0].lower(), words[1:]
        if name in ("quit", "exit", "bye"):
            return False
        if name in ("insert", "delete"):
            entry = _entry_of(rest, name)
            number = self.store.insert([entry]) if name == "insert" else self.store.delete([entry])
            echo(f"{_places(number)} {name}ed" if name == "insert" else f"{_places(number)} deleted")
        elif name == "lookup":
            self._print(self.store.lookup(_some(rest, name)))
        elif name == "remove":
            echo(f"{self.store.remove(_some(rest, name))} removed")
        elif name == "list":
            self._list(rest)
        elif name == "set":
            self._set(rest)
        elif name == "clear":
            echo(f"{_places(self.store.clear())} deleted")
        elif name == "help":
            echo("insert, delete, lookup, remove, list, set, clear, quit")
        else:
            raise click.UsageError(f"there is no command {words[0]!r}; `help` lists them")
        return True

    def read(self, script: str) -> None:
        """Execute the commands in a file, one a line; `#` starts a comment."""
        import shlex

        from markab.errors import DocumentError

        for number, line in _lines(script):
            try:
                words = shlex.split(line, comments=True)
            except ValueError as error:
                raise click.UsageError(f"{script}:{number}: {error}") from None
            try:
                if words and not self.execute(words):
                    return
            except click.UsageError as error:
                raise click.UsageError(f"{script}:{number}: {error.message}") from None
            except DocumentError as error:
                for problem in error.problems:
                    if not problem.file:
                        problem.file, problem.line = script, number
                raise DocumentError(*error.problems) from None

    def bulk(self, name: str, *, delete: bool) -> None:
        """Insert or delete every line of a file, all of them or none."""
        entries = operations.parse_replica_lines(_lines(name), name)
        number = self.store.delete(entries) if delete else self.store.insert(entries)
        what = "deleted" if delete else "inserted"
        echo(f"{_places(number)} {what}, of {len(entries)} lines")

    def _list(self, words: Sequence[str]) -> None:
        if len(words) % 2:
            raise click.UsageError(
                "`list` takes pairs: lfn PATTERN, pfn PATTERN, or the name of an attribute"
            )
        names = [{"pool": "site"}.get(word, word) for word in words[::2]]
        self._print(operations.find_replicas(self.store, None, dict(zip(names, words[1::2], strict=True))))

    def _set(self, words: Sequence[str]) -> None:
        if len(words) > 1:
            self._preferences[words[0]] = " ".join(words[1:])
        for key in words[:1] or sorted(self._preferences):
            echo(f"{key}={self._preferences.get(key, '')}")

    def _print(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            echo(entry.line())


def _entry_of(words: Sequence[str], name: str) -> Entry:
    from markab.catalogs.replica_store import Entry

    if len(words) < 2:
        raise click.UsageError(f"`{name}` takes LFN PFN [KEY=VALUE]…")
    attributes = dict(_pairs(words[2:]))
    site = attributes.pop("site", None) or attributes.pop("pool", None)
    regex = attributes.pop("regex", "false").lower() == "true"
    return Entry(words[0], words[1], site or ("local" if name == "insert" else None), attributes, regex)


def _some(words: Sequence[str], name: str) -> Sequence[str]:
    if not words:
        raise click.UsageError(f"`{name}` takes the names of files")
    return words


def _pairs(words: Iterable[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise click.UsageError(f"{word!r} is not KEY=VALUE")
        yield key, value.strip('"')


def _lines(name: str) -> Iterator[tuple[int, str]]:
    from markab.errors import StorageError
    from markab.spec.document_file import read_bytes

    if name == "-":
        yield from _numbered(sys.stdin)
        return
    try:
        text = read_bytes(name).decode()
    except UnicodeDecodeError as error:
        raise StorageError(f"{name!r} is not UTF-8 text: {error.reason}") from error
    yield from _numbered(io.StringIO(text))


def _numbered(file: TextIO) -> Iterator[tuple[int, str]]:
    return enumerate((line.rstrip("\n") for line in file), start=1)


def _places(number: int) -> str:
    from markab.formatting import count

    return count(number, "place")


def _warn(store: operations.ReplicaStore) -> None:
    if store.loses_comments:
        echo("note: the catalog was rewritten; comments below its top are lost", err=True)
