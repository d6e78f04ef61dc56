"""The pages hang together: links lead somewhere, and everything there is to set is mentioned."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.pages import DOCS, ROOT
from docs.property_page import page
from markab import errors
from markab.cli.main import COMMANDS
from markab.journal import records
from markab.journal.progress import Progress
from markab.plan import model as plan_model
from markab.planner.passes import PASSES
from markab.spec import schema
from markab.spec.model import ReplicaCatalog, SiteCatalog, TransformationCatalog, Workflow
from markab.spec.profile_keys import KEYS, Effect
from markab.spec.property_keys import KNOWN, find_property
from markab.transfers.error_kinds import ErrorKind

PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / "examples").rglob("*.md")])
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def text_of(*names: str) -> str:
    return "\n".join((DOCS / name).read_text() for name in names)


def anchors(markdown: Path) -> set[str]:
    """Return the anchors of a page, as GitHub makes them of its headings."""
    headings = re.findall(r"^#+ (.*)$", markdown.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("source", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_pages_and_headings_that_exist(source: Path) -> None:
    for link in _LINK.findall(source.read_text()):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (source.parent / name).resolve() if name else source
        assert target.exists(), f"{source.name} links to {link}"
        assert not anchor or anchor in anchors(target), f"{source.name} links to {link}"


def test_every_page_is_reached_from_the_index() -> None:
    reached, left = set(), [DOCS / "index.md"]
    while left:
        source = left.pop()
        if source not in reached and source.suffix == ".md":
            reached.add(source)
            links = [
                link.partition("#")[0] for link in _LINK.findall(source.read_text()) if "://" not in link
            ]
            left += [(source.parent / link).resolve() for link in links if link]
    assert set(DOCS.rglob("*.md")) <= reached


def test_the_page_of_properties_is_current() -> None:
    assert (DOCS / "reference" / "properties.md").read_text() == page(), (
        "type `python tests/docs/property_page.py docs/reference/properties.md`"
    )


def test_the_page_of_properties_has_every_property() -> None:
    assert all(f"| `{row.key}` |" in page() for row in KNOWN)


def test_what_is_said_to_do_nothing_is_named_nowhere_in_the_code() -> None:
    """And the other way round; parts of a key that are put together in the code are named by hand."""
    sources = [path for path in (ROOT / "src" / "markab").rglob("*.py") if path.name != "property_keys.py"]
    code = "\n".join(path.read_text() for path in sources)
    composed = {
        "dagman.*.maxjobs",
        "pegasus.selector.site.env.*",
        "pegasus.catalog.replica.db.url",
        "pegasus.catalog.replica.db.user",
        "pegasus.catalog.replica.db.password",
        "pegasus.catalog.replica.url",
        "pegasus.catalog.replica.mrc.*",
        "pegasus.selector.regex.rank.*",
        "pegasus.selector.replica.regex.rank.*",
        "pegasus.selector.replica.*.ignore.stagein.sites",
        "pegasus.selector.replica.*.prefer.stagein.sites",
        "pegasus.file.cleanup.constraint.*.maxspace",
        *(row.key for row in KNOWN if re.search(r"\.(file|directory.*|\*\*)$", row.key)),
    }

    for row in KNOWN:
        is_named = f'"{row.key}"' in code
        if row.effect is Effect.READ:
            assert is_named or row.key in composed, (
                f"{row.key} is listed as having an effect, and no code names it"
            )
        else:
            assert not is_named, f"{row.key} has an effect: say so in spec/property_keys.py"


def test_every_command_and_exit_code_is_mentioned() -> None:
    index = text_of("reference/commands/README.md")
    codes = text_of("reference/exit-codes.md")

    for name in COMMANDS:
        assert f"markab {name}" in index or name == "keg"
    for name, value in vars(errors).items():
        if isinstance(value, type) and issubclass(value, errors.MarkabError) and not name.startswith("_"):
            assert f"`{name}`" in codes
            assert f"| {value.exit_code} |" in codes
    for code in (*errors.RUN_EXIT_CODES.values(), errors.BROKEN_PIPE, errors.BUG):
        assert f"| {code} |" in codes


def test_every_profile_that_the_code_reads_is_mentioned() -> None:
    code = (ROOT / "src" / "markab" / "spec" / "profiles.py").read_text()
    shown = text_of("reference/profiles.md")
    keys = re.findall(r'"((?:pegasus|condor|dagman)\.[\w.]+)"', code)

    assert len(keys) > 10
    assert [key for key in keys if f"`{key}`" not in shown] == []


def test_every_profile_key_that_does_nothing_is_listed_with_the_reason() -> None:
    shown = text_of("reference/profiles.md")
    headings = {
        Effect.NOT_YET: "**Not in this version.**",
        Effect.BATCH: "**Requests to HTCondor or a batch system.**",
        Effect.DROPPED: "**Dropped.**",
        Effect.NEEDLESS: "**Not needed.**",
    }
    for namespace, keys in KEYS.items():
        for key, effect in keys.items():
            if effect is not Effect.READ:
                section = shown.partition(headings[effect])[2].partition("\n\n")[0]
                assert f"`{key}`" in section.partition(f"`{namespace}`:")[2], f"{namespace}.{key}"


def keys_of(shape: schema.Shape) -> set[str]:
    if isinstance(shape, schema.Record):
        return {*shape.fields}.union(*(keys_of(field.shape) for field in shape.fields.values()))
    if isinstance(shape, schema.ListOf):
        return keys_of(shape.item)
    return set()


@pytest.mark.parametrize("document", [Workflow, ReplicaCatalog, SiteCatalog, TransformationCatalog])
def test_every_key_of_a_document_is_mentioned(document: type) -> None:
    shown = text_of("reference/documents.md")

    assert [key for key in sorted(keys_of(schema.shape_of(document))) if f"`{key}`" not in shown] == []


def test_every_key_of_the_files_of_a_run_is_mentioned() -> None:
    shown = text_of("reference/files.md")
    structs = [
        plan_model.Header,
        plan_model.PlanSite,
        plan_model.GivenSlots,
        plan_model.DirectoryPlace,
        plan_model.PlannedJob,
        plan_model.PlannedTask,
    ]
    structs += [plan_model.Input, plan_model.Output, plan_model.Transfer, plan_model.Registration, Progress]
    fields = {field for struct in structs for field in struct.__struct_fields__}
    for kind, event in records.EVENTS.items():
        fields |= {event, *kind.__struct_fields__}
    documented = (ROOT / "src" / "markab" / "worker" / "record.py").read_text()
    fields |= set(re.findall(r"^    (\w+)  +(?:bool|str|object|float|int|list) ", documented, re.MULTILINE))

    assert len(fields) > 60
    assert [name for name in sorted(fields) if f"`{name}`" not in shown] == []
    kinds = {value for name, value in vars(ErrorKind).items() if name.isupper()}
    known = text_of("how-to/mend-a-failed-run.md")
    assert len(kinds) > 15 and [kind for kind in kinds if f"`{kind}`" not in known] == []


def test_every_pass_of_the_planner_is_explained() -> None:
    shown = text_of("explanation/planning.md")
    assert [title for title, _ in PASSES if f"| {title} |" not in shown] == []


def test_the_reader_of_the_page_on_files_reads_a_run(tmp_path: Path) -> None:
    from kit.made_run import began, compute, end, ended, failed, gave_up, make_run, start

    found = re.search(
        r"<!-- file: read_run.py -->\n```python\n(.*?)```", text_of("reference/files.md"), re.DOTALL
    )
    assert found
    entries = [began(), start(0), end(0), start(1), failed(1), gave_up(1), ended("failed")]
    make_run(tmp_path, [compute("a"), compute("b"), compute("c", 1)], entries)
    with (tmp_path / "journal.jsonl").open("ab") as journal:
        journal.write(b'0123abcd {"event":"end","job":2,"record":{"ok":true}\0\0\0\n')

    done = subprocess.run(
        [sys.executable, "-c", found[1]], cwd=tmp_path, capture_output=True, text=True, timeout=30
    )

    assert [line.split()[0] for line in done.stdout.splitlines()] == ["succeeded", "failed", "waiting"], (
        done.stderr
    )
    assert [line.split()[-1] for line in done.stdout.splitlines()] == ["wc_a", "wc_b", "wc_c"]


def test_what_does_nothing_yet_is_said_to() -> None:
    assert "| not yet |" in page()
    connection = find_property("pegasus.catalog.replica.db.pool")
    assert connection is not None and connection.effect is Effect.NOT_YET
