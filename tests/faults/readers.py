"""Every reader of something from outside, with valid documents to start from.

A reader is a function of bytes; it may return anything, or raise MarkabError. Those that read files get
them in a directory of their own, which is made anew.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from faults import mutations
from kit.diamond import diamond_story, failing_story, make_diamond, strange_story
from markab.errors import DocumentError, MarkabError, Problem
from markab.spec import reader as documents

Read = Callable[[bytes, Path], object]
Mutate = Callable[[Random, bytes, list[bytes]], bytes]
PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Reader:
    """A reader, what it can read, and how that is changed."""

    read: Read
    seeds: tuple[bytes, ...]
    mutate: Mutate = mutations.mutate_bytes


WORKFLOW = {
    "pegasus": "5.0.4", "name": "w", "x-pegasus": {"apiLang": "python"}, "metadata": {"author": "ada"},
    "hooks": {"shell": [{"_on": "end", "cmd": "/bin/date"}]},
    "siteCatalog": {"sites": [{"name": "local", "arch": "x86_64", "os.type": "linux", "directories": [
        {"type": "sharedScratch", "path": "/tmp/s", "fileServers": [{"url": "file:///tmp/s", "operation": "all"}]}],
        "profiles": {"env": {"PATH": "/bin"}, "pegasus": {"style": "condor"}}}]},
    "replicaCatalog": {"replicas": [
        {"lfn": "f.a", "pfns": [{"site": "local", "pfn": "/data/f.a"}], "checksum": {"sha256": "ab" * 32}},
        {"lfn": "f.*", "regex": True, "pfns": [{"site": "local", "pfn": "/data/[0]"}], "metadata": {"size": "1"}}]},
    "transformationCatalog": {"transformations": [
        {"namespace": "n", "name": "t", "version": "1.0", "requires": ["u"], "sites": [
            {"name": "local", "pfn": "/bin/ls", "type": "stageable", "container": "c", "bypass": True}],
         "profiles": {"condor": {"request_memory": "5"}}},
        {"name": "u", "sites": [{"name": "local", "pfn": "/bin/ls", "type": "installed"}]}],
        "containers": [{"name": "c", "type": "docker", "image": "docker:///a:1", "mounts": ["/a:/b:ro"]}]},
    "jobs": [
        {"type": "job", "id": "a", "name": "t", "namespace": "n", "version": "1.0", "nodeLabel": "x",
         "arguments": ["-i", "f.a", 3, 1.5, "a 'b c' ${HOME}"], "stdout": "o", "stdin": "f.a",
         "uses": [{"lfn": "f.a", "type": "input"}, {"lfn": "o", "type": "output", "stageOut": True, "registerReplica": False}],
         "profiles": {"env": {"A": "b"}, "dagman": {"retry": "2"}, "pegasus": {"runtime": "5", "memory": "2 GB"}}},
        {"type": "job", "id": "b", "name": "u", "arguments": [], "uses": [
            {"lfn": "o", "type": "input"}, {"lfn": "c", "type": "checkpoint"}, {"lfn": "d/e", "type": "output", "optional": True}]},
        {"type": "pegasusWorkflow", "id": "s", "file": "sub.yml", "arguments": ["--x"], "uses": [
            {"lfn": "sub.yml", "type": "input", "forPlanning": True}]}],
    "jobDependencies": [{"id": "a", "children": ["b", "s"]}],
}  # fmt: skip
PLANNED = {
    "pegasus": "5.0.4", "name": "w", "metadata": {"author": "ada"}, "hooks": {"shell": [{"_on": "end", "cmd": "/bin/date"}]},
    "siteCatalog": {"sites": [{"name": "local", "directories": [
        {"type": kind, "path": f"/nonexistent/{kind}", "fileServers": [{"url": f"file:///nonexistent/{kind}", "operation": "all"}]}
        for kind in ("sharedScratch", "localStorage")], "profiles": {"pegasus": {"clusters.num": "1"}}}]},
    "replicaCatalog": {"replicas": [
        {"lfn": "f.a", "pfns": [{"site": "local", "pfn": "http://example.org/f.a"}], "checksum": {"sha256": "ab" * 32}},
        {"lfn": "g(.*)", "regex": True, "pfns": [{"site": "local", "pfn": "http://example.org/[1]"}]}]},
    "transformationCatalog": {"transformations": [
        {"namespace": "n", "name": "t", "version": "1.0", "requires": ["u"], "sites": [{"name": "local", "pfn": "/bin/ls", "type": "stageable"}],
         "profiles": {"pegasus": {"memory": "2 GB"}}},
        {"name": "u", "sites": [{"name": "local", "pfn": "/bin/sh", "type": "installed"}]}]},
    "jobs": [
        {"type": "job", "id": "a", "name": "t", "namespace": "n", "version": "1.0", "nodeLabel": "x", "arguments": ["-i", "f.a", 3],
         "stdout": "o", "stdin": "f.a", "uses": [{"lfn": "f.a", "type": "input", "bypass": False}, {"lfn": "gx", "type": "input"},
         {"lfn": "o", "type": "output", "stageOut": True, "registerReplica": False}],
         "profiles": {"env": {"A": "b"}, "dagman": {"retry": "2"}, "pegasus": {"runtime": "5", "label": "l", "cores": "1"}}},
        {"type": "job", "id": "b", "name": "u", "arguments": [], "metadata": {"k": "v"}, "uses": [
            {"lfn": "o", "type": "input"}, {"lfn": "c", "type": "checkpoint"}, {"lfn": "d/e", "type": "output", "optional": True}]}],
    "jobDependencies": [{"id": "a", "children": ["b"]}],
}  # fmt: skip
DAX = b"""<?xml version="1.0" encoding="UTF-8"?>
<adag xmlns="http://pegasus.isi.edu/schema/DAX" version="3.6" name="w">
 <metadata key="k">v</metadata><invoke when="at_end">/bin/date</invoke>
 <file name="f.a"><pfn url="file:///data/f.a" site="local"/></file>
 <executable namespace="n" name="t" version="1" arch="x86_64" os="linux" installed="false"><pfn url="file:///bin/ls" site="local"><profile namespace="env" key="A">b</profile></pfn></executable>
 <transformation namespace="n" name="t" version="1"><uses name="u" executable="true"/><uses name="d"/></transformation>
 <job id="a" namespace="n" name="t" version="1" node-label="x"><argument>-i <file name="f.a"/> "x y"</argument>
  <profile namespace="pegasus" key="runtime">5</profile><stdout name="o" link="output"/>
  <uses name="f.a" link="input"/><uses name="o" link="output" transfer="true" register="false" size="5"/></job>
 <dax id="s" file="sub.dax"><argument>-s</argument></dax>
 <child ref="s"><parent ref="a"/></child>
</adag>
"""  # fmt: skip
TRANSFERS = [
    {"type": "transfer", "id": 1, "lfn": "b", "src_urls": [{"site_label": "a", "url": "file:///x", "priority": 5,
     "checksum": {"sha256": "ab" * 32}}], "dest_urls": [{"site_label": "b", "url": "file:///y"}]},
    {"type": "mkdir", "id": 2, "target": {"site_label": "a", "url": "file:///d"}},
    {"type": "remove", "id": 3, "target": {"site_label": "a", "url": "file:///d", "recursive": "True"}},
]  # fmt: skip
RECORD = {
    "ok": True, "host": "n", "start": 1.0, "end": 2.0, "cwd": "/w", "outputs": [{"lfn": "o", "size": 1, "sha256": "ab" * 32}],
    "invocations": [{"task": "a", "argv": ["/bin/ls"], "start": 1.0, "duration_s": 1.0, "status": 0, "maxrss_kb": 5}],
    "checked": {"count": 1, "failed": 0, "duration_s": 0.1}, "stdout": "x", "stderr": None,
    "error": {"kind": "exit", "message": "m", "hint": "h"}, "also": [], "transfers": [],
}  # fmt: skip
SPEC = {
    "job": {"id": "a", "kind": "compute", "tasks": [{"id": "a", "transformation": "t", "executable": "/bin/ls"}],
            "inputs": [{"lfn": "x", "sources": [{"site": "local", "url": "/x"}]}], "outputs": [{"lfn": "o"}]},
    "attempt": 1, "uuid": "7a3c", "workflow": "w", "work": "work", "scratch": "scratch", "attachments": "at",
    "submit_dir": "/s", "checksums": {"x": "ab" * 32},
}  # fmt: skip
PROPERTIES = b"""# a comment
pegasus.catalog.replica = YAML
pegasus.catalog.replica.file: \\u0041.yml
env.PATH = /bin:${user.home}
pegasus.data.configuration = condorio
dagman.retry = 3
markab.dir.submit.mode = 700
pegasus.a = ${pegasus.b}
pegasus.b = x\\
    y
"""
REPLICA_LINES = b"""# a comment
f.a file:///data/f.a site="local" size="5"
"f b" "/data/f b" pool="x" checksum.type="sha256" checksum.value="abababababababababababababababababababababababababababababababab"
"f.*\\.x" /data/[0] regex="true" site="local"
"""
TRANSFER_LINES = b"# src 1 local\nfile:///x\n# dst 1 local\nfile:///y\n"
BRAINDUMP = b'user: "ada"\nwf_uuid: "7a3c"\ndax_label: "w"\nsubmit_dir: "/s"\nproperties: "p"\n'


def as_yaml(tree: Any) -> bytes:
    import yaml

    return bytes(yaml.safe_dump(tree, sort_keys=False).encode())


def in_file(name: str, read: Callable[[Path], object]) -> Read:
    """Return a reader of bytes, of a reader of files."""

    def read_file(data: bytes, directory: Path) -> object:
        path = directory / name
        path.write_bytes(data)
        return read(path)

    return read_file


def fast(struct: type, parse: Callable[[bytes], Any]) -> Read:
    """Return a reader that asks both readers of documents: where the fast one is sure, they agree."""

    def read(data: bytes, _: Path) -> object:
        from markab.spec import fast_reader

        quick = fast_reader.read(data, struct, os.environ)
        slow = parse(data)
        assert quick is None or quick[0] == slow, "the readers disagree"
        return slow

    return read


def properties(path: Path) -> object:
    from markab.spec.properties import load_properties

    return load_properties(path, environment={}, directory=path.parent, home=path.parent)


def text_catalog(path: Path) -> object:
    from markab.catalogs.replica_text import read_replica_file

    return read_replica_file(path)


def sqlite_catalog(path: Path) -> object:
    from markab.catalogs.jdbcrc_reader import read_replica_tables
    from markab.catalogs.replica_database import DatabaseAddress

    return read_replica_tables(DatabaseAddress("sqlite", str(path)))


def transfers(data: bytes, _: Path) -> object:
    from markab.transfers.transfer_list import read_work

    return read_work(data.decode("utf-8", "replace"))


def spec(path: Path) -> object:
    from markab.worker.attempt_spec import read_spec

    try:
        return read_spec(str(path))
    except (OSError, ValueError) as error:
        return error


def sandbox_record(path: Path) -> object:
    from markab.executors.remote import sandbox

    try:
        return sandbox.read_record(str(path))
    except (OSError, ValueError, RecursionError, msgspec.DecodeError) as error:
        return error


def credentials(path: Path) -> object:
    from markab.transfers.credentials import headers_for, read_credentials

    path.chmod(0o600)
    os.environ["PEGASUS_CREDENTIALS"] = str(path)
    try:
        return headers_for("https://example.org/x", read_credentials())
    finally:
        del os.environ["PEGASUS_CREDENTIALS"]


def passwords(path: Path) -> object:
    from markab.transfers.run_passwords import read_passwords, with_password

    path.chmod(0o600)
    return with_password("https://ada@example.org/x", read_passwords(str(path)))


def progress(path: Path) -> object:
    from markab.journal.progress import read_progress

    return read_progress(path)


def braindump(path: Path) -> object:
    from markab.plan.braindump import original_of, read_braindump

    original_of(path)
    return read_braindump(path)


def profiles(data: bytes, _: Path) -> object:
    from markab.spec.profiles import canonical, resources

    try:
        given = msgspec.json.decode(data, type=dict[str, dict[str, str]])
    except (msgspec.DecodeError, RecursionError):
        return None  # the reader of the document refuses it
    problems: list[Problem] = []
    found = resources(canonical(given), "a", problems)
    if problems:
        raise DocumentError(*problems)
    return found


def arguments(data: bytes, _: Path) -> object:
    from markab.worker.split_arguments import split_words

    try:
        return split_words(data.decode("utf-8", "replace"), {"HOME": "/h"})
    except ValueError as error:
        return error


def options_of_planner(data: bytes, directory: Path) -> object:
    from click.testing import CliRunner

    from markab.cli.plan import plan

    words = data.decode("utf-8", "replace").replace("\0", "").split("\n")
    done = CliRunner().invoke(
        plan, ["--dir", str(directory), *words, "--dry-run", str(directory / "none.yml")]
    )
    if done.exception is not None and not isinstance(done.exception, SystemExit | MarkabError):
        raise done.exception
    return done.exit_code


def planning(data: bytes, directory: Path) -> object:
    """Plan a document for real, and read the plan; its parts are those of `PLANNED`."""
    from markab.operations.planning import plan
    from markab.plan.plan_file import PlanFile
    from markab.planner.options import PlanOptions

    # Not everybody may make directories in the root.
    (directory / "workflow.yml").write_bytes(data.replace(b"/nonexistent", bytes(directory / "nonexistent")))
    planned = plan(
        PlanOptions(
            workflow=Path("workflow.yml"), directory=directory, sites=["local"], output_sites=["local"]
        )
    )
    assert planned.submit_dir is not None
    return list(PlanFile(planned.submit_dir / "plan.jsonl").jobs())


def builders(data: bytes, _: Path) -> object:
    from markab.api import document_loader

    try:
        return document_loader.to_workflow(data)
    except (TypeError, ValueError) as error:
        return error
    except Exception as error:
        if type(error).__module__ == "markab.api.errors":
            return error
        raise


def run_reports(directory: Path) -> object:
    """Ask everything that can be asked of a submit directory; return the errors."""
    from markab.operations.failures import analyze
    from markab.operations.statistics import read_statistics, statistics_text
    from markab.operations.status import read_result, read_status
    from markab.plan.plan_file import PlanFile

    def whole_plan() -> None:
        list(PlanFile(directory / "plan.jsonl").outline)
        list(PlanFile(directory / "plan.jsonl").jobs())

    asked: list[Callable[[], object]] = [
        whole_plan,
        lambda: read_status(directory, why=True),
        lambda: read_result(directory),
        lambda: analyze(directory),
        lambda: statistics_text(read_statistics(directory, ["jobs", "transformations", "time", "integrity"])),
        lambda: update_all(directory),
    ]
    errors = []
    for ask in asked:
        try:
            ask()
        except MarkabError as error:
            errors.append(str(error))
    return errors


def update_all(directory: Path) -> None:
    from markab.provenance.update import RunUpdater

    RunUpdater(directory).update()


def submit_directory(name: str) -> Read:
    """Return a reader of a submit directory, one of whose files has these bytes."""

    def read(data: bytes, directory: Path) -> object:
        run = directory / "run0001"
        make_diamond(run, diamond_story())
        (run / name).write_bytes(data)
        return run_reports(run)

    return read


@cache
def _made(name: str, story: int) -> bytes:
    import tempfile

    stories = (diamond_story, failing_story, strange_story)
    with tempfile.TemporaryDirectory() as directory:
        make_diamond(Path(directory), stories[story]())
        return (Path(directory) / name).read_bytes()


def lines_of(kind: str) -> Mutate:
    def mutate(chance: Random, data: bytes, others: list[bytes]) -> bytes:
        if chance.random() < 0.25:
            return mutations.mutate_bytes(chance, data, others)
        return mutations.mutate_lines(chance, data, kind)

    return mutate


def _sqlite() -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/c.db"
        connection = sqlite3.connect(path)
        connection.executescript(
            "CREATE TABLE rc_lfn (lfn_id INTEGER PRIMARY KEY, lfn TEXT);"
            "CREATE TABLE rc_pfn (pfn_id INTEGER PRIMARY KEY, lfn_id INTEGER, pfn TEXT, site TEXT);"
            "CREATE TABLE rc_meta (meta_id INTEGER PRIMARY KEY, lfn_id INTEGER, key TEXT, value TEXT);"
            "INSERT INTO rc_lfn VALUES (1, 'f.a'); INSERT INTO rc_pfn VALUES (1, 1, '/data/f.a', 'local');"
            "INSERT INTO rc_meta VALUES (1, 1, 'size', '5');"
        )
        connection.close()
        return Path(path).read_bytes()


def make_readers() -> dict[str, Reader]:
    from markab.spec.model import ReplicaCatalog, SiteCatalog, TransformationCatalog, Workflow

    def catalog(key: str) -> dict[str, Any]:
        return {"pegasus": "5.0.4", **WORKFLOW[key]}  # type: ignore[dict-item]

    def dumped(tree: Any) -> bytes:
        return json.dumps(tree, indent=1).encode()

    documents_of = {
        "workflow": (WORKFLOW, Workflow, documents.parse_workflow),
        "sites": (catalog("siteCatalog"), SiteCatalog, documents.parse_sites),
        "replicas": (catalog("replicaCatalog"), ReplicaCatalog, documents.parse_replicas),
        "transformations": (catalog("transformationCatalog"), TransformationCatalog, documents.parse_transformations),
    }  # fmt: skip
    found: dict[str, Reader] = {}
    for name, (tree, struct, parse) in documents_of.items():
        read = fast(struct, parse)
        found[f"{name} (JSON)"] = Reader(read, (dumped(tree),), mutations.mutate_json)
        found[f"{name} (YAML)"] = Reader(read, (as_yaml(tree),))
    found |= {
        "workflow (DAX)": Reader(lambda data, _: documents.parse_workflow(data), (DAX,)),
        "planning": Reader(planning, (dumped(PLANNED),), lambda chance, data, _: mutations.dump(
            mutations.mutate_tree(chance, json.loads(data)))),
        "workflow (builders)": Reader(builders, (dumped(WORKFLOW),), mutations.mutate_json),
        "replicas (text)": Reader(in_file("rc.txt", text_catalog), (REPLICA_LINES,)),
        "replicas (SQLite)": Reader(in_file("rc.db", sqlite_catalog), (_sqlite(),)),
        "properties": Reader(in_file("p.properties", properties), (PROPERTIES,)),
        "profiles": Reader(profiles, (dumped(WORKFLOW["jobs"][0]["profiles"]),), mutations.mutate_json),  # type: ignore[index]
        "options": Reader(options_of_planner, (b"-Dpegasus.x=y\n--sites\nlocal\n-o\nlocal\n--cluster\nlabel\n-vv",)),
        "arguments": Reader(arguments, (b"-i 'a b' \"c\\\"d $HOME ${X}\" e\\ f",)),
        "pegasus-transfer": Reader(transfers, (dumped(TRANSFERS),), mutations.mutate_json),
        "pegasus-transfer (text)": Reader(transfers, (TRANSFER_LINES,)),
        "spec of an attempt": Reader(in_file("spec.json", spec), (dumped(SPEC),), mutations.mutate_json),
        "record from a node": Reader(in_file("record.json", sandbox_record), (dumped(RECORD),), mutations.mutate_json),
        "credentials": Reader(in_file("c.conf", credentials), (b"[example.org]\nusername = u\npassword = p\nheader.X = y\n",)),
        "passwords": Reader(in_file("p.json", passwords), (b'{"https://ada@example.org": "p"}',), mutations.mutate_json),
        "braindump": Reader(in_file("braindump.yml", braindump), (BRAINDUMP,)),
        "status.json": Reader(in_file("status.json", progress), (
            b'{"workflow":"w","uuid":"u","time":1.0,"total":6,"succeeded":6,"jobs":[{"id":"a","site":"s","attempt":1,"start":1.0}],'
            b'"outcome":"success","journal_bytes":5}',), mutations.mutate_json),
        "run: plan.jsonl": Reader(submit_directory("plan.jsonl"), (_made("plan.jsonl", 0),), lines_of("plan")),
        "run: journal.jsonl": Reader(
            submit_directory("journal.jsonl"), tuple(_made("journal.jsonl", n) for n in range(3)), lines_of("journal")),
        "run: braindump.yml": Reader(submit_directory("braindump.yml"), (BRAINDUMP,)),
        "run: status.json": Reader(submit_directory("status.json"), (b'{"workflow":"w","uuid":"7a3c","time":1.0,"total":6}',),
                                   mutations.mutate_json),
        "run: jobstate.log": Reader(submit_directory("jobstate.log"), (b"1800000000 A SUBMIT 1.0 local - 1\n",)),
        "run: lock": Reader(submit_directory("lock"), (b"4711 here\n",)),
    }  # fmt: skip
    return found
