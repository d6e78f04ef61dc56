"""A past run is run again from its own record, what has changed since is named first, and the results are compared."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kit.edited_workflow import Edited, failed
from kit.made_run import engine_alive
from markab import operations
from markab.api import Workflow
from markab.api.errors import PegasusClientError
from markab.cli.rerun import rerun, table
from markab.diagnosis.compared_results import ComparedResult, RecordedResult, compared_results
from markab.engine.run import RunOptions
from markab.engine.run import run as run_engine
from markab.errors import MarkabError, NotARun, PlanningError
from markab.planner.options import PlanOptions, parsed_words
from markab.planner.recorded_options import recorded_properties


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def made(tmp_path: Path) -> Edited:
    return succeeded(tmp_path)


def succeeded(directory: Path, **keys: str) -> Edited:
    made = Edited(directory, **keys)
    made.go.touch()
    assert made.plan().run().state == "success" and made.ran()
    return made


def call(made: Edited, *words: str) -> Result:
    return CliRunner().invoke(rerun, [*words, str(made.submit_dir)])


def shown(result: Result) -> Any:
    return json.loads(result.stdout)


def test_the_results_go_to_a_place_of_their_own_and_are_compared(made: Edited) -> None:
    before = {path: path.stat().st_mtime_ns for path in (made.path / "out").iterdir()}

    result = call(made, "--json")

    assert result.exit_code == 0, result.output
    found = shown(result)
    assert {one["lfn"]: one["verdict"] for one in found["results"]} == dict.fromkeys(
        ["end", "one", "side", "two"], "same"
    )
    assert made.ran() == ["end", "one", "side", "two"], "also what has results already"
    new = made.path / "rerun-of-run0001"
    assert (new / "end").read_text() == made.result
    assert before == {path: path.stat().st_mtime_ns for path in (made.path / "out").iterdir()}
    assert Path(found["submit_dir"]).name == "run0002" and found["changes"] == {"files": [], "settings": []}


def test_edited_documents_do_not_matter_since_the_copies_are_used(made: Edited) -> None:
    for name in ("workflow.yml", "replicas.yml", "transformations.yml"):
        (made.path / name).write_text("edited: yes\n")
    assert call(made).exit_code == 0
    (made.path / "replicas.yml").unlink()
    assert call(made).exit_code == 0


def test_what_has_changed_is_named_before_anything_starts(made: Edited) -> None:
    made.write("first", "2")

    assert "`markab rerun --accept-changes " in call(made).stderr

    (made.path / "data" / "b").unlink()

    result = call(made)

    assert result.exit_code == PlanningError.exit_code
    assert f"'{made.path}/bin/first' has changed: its sha256 was " in result.stderr
    assert f"'{made.path}/data/b' is gone" in result.stderr
    assert "put back what is missing: " in result.stderr and "--accept-changes" not in result.stderr
    assert made.ran() == [] and not list(made.path.glob("rerun-of*"))


def test_changes_that_are_accepted_are_named_and_different_results_are_no_success(made: Edited) -> None:
    made.write("first", "2")

    result = call(made, "--accept-changes", "--json")

    assert result.exit_code == 42
    found = shown(result)
    assert [(file["lfn"], file["what"]) for file in found["changes"]["files"]] == [("first", "changed")]
    verdicts = {one["lfn"]: one["verdict"] for one in found["results"]}
    assert verdicts == {"end": "different", "one": "different", "side": "same", "two": "different"}
    assert "first' has changed" in result.stderr


def test_a_dry_run_says_what_has_changed_and_plans_nothing(made: Edited) -> None:
    assert call(made, "--dry-run").output == "nothing has changed: the run can be repeated\n"
    made.write("first", "2")
    result = call(made, "--dry-run")
    assert result.exit_code == 42 and "has changed" in result.output
    assert not list(made.submit_dir.parent.glob("run0002"))


def test_an_installed_program_that_was_modified_later_is_named(tmp_path: Path) -> None:
    made = succeeded(tmp_path, kind="installed")
    assert call(made, "--dry-run").exit_code == 0
    made.write("first", "1")
    os.utime(tmp_path / "bin" / "first", (4e9, 4e9))
    assert "bin/first' was modified after the run" in call(made, "--dry-run").output
    (tmp_path / "bin" / "first").unlink()
    assert "bin/first' is gone" in call(made, "--dry-run").output


def test_settings_that_would_now_be_used_are_named(made: Edited) -> None:
    (made.path / "pegasus.properties").write_text("pegasus.transfer.links = true\n")
    (made.path / "sites.yml").write_text("pegasus: 5.0.4\nsites: []\n")
    output = call(made, "--dry-run").output
    assert "property 'pegasus.transfer.links' is set now" in output
    assert "sites.yml' exists now, and was not used then" in output


def test_a_submit_directory_that_was_moved_is_run_again_where_it_was_planned(made: Edited) -> None:
    moved = made.path / "moved"
    shutil.move(made.submit_dir, moved)
    made.submit_dir = moved
    assert call(made).exit_code == 0
    assert (made.path / "rerun-of-moved" / "end").exists()


def test_a_second_one_has_another_place(made: Edited) -> None:
    call(made)
    call(made)
    assert (made.path / "rerun-of-run0001" / "end").exists() and (
        made.path / "rerun-of-run0001-2" / "end"
    ).exists()


def test_a_named_directory_is_free_for_the_new_run(tmp_path: Path) -> None:
    made = Edited(tmp_path)
    made.go.touch()
    made.options = {"relative_dir": "mine", "relative_submit_dir": "there"}
    made.plan().run()
    assert made.submit_dir == tmp_path / "there"
    assert call(made, "--output-dir", str(tmp_path / "again")).exit_code == 0
    assert (tmp_path / "there-2" / "plan.jsonl").exists() and (tmp_path / "again" / "end").exists()


def test_without_an_output_site_what_the_tasks_made_is_compared(tmp_path: Path) -> None:
    made = Edited(tmp_path, cleanup="none")
    made.go.touch()
    made.options = {"output_dir": None}
    made.plan().run()
    result = call(made)
    assert result.exit_code == 0 and "4 results: 4 same" in result.output


def test_a_catalog_of_results_that_the_user_named_is_left_alone(tmp_path: Path) -> None:
    made = Edited(tmp_path)
    made.go.touch()
    url = f"jdbc:sqlite:{tmp_path}/results.db"
    made.plan(
        **{"pegasus.catalog.replica.output": "JDBCRC", "pegasus.catalog.replica.output.db.url": url}
    ).run()
    before = (tmp_path / "results.db").read_bytes()
    assert call(made).exit_code == 0
    assert (tmp_path / "results.db").read_bytes() == before


def test_a_run_of_a_run_again_is_run_again(made: Edited) -> None:
    made.submit_dir = Path(shown(call(made, "--json"))["submit_dir"])
    assert call(made).exit_code == 0


def _unpack(made: Edited) -> None:
    operations.archive_run(made.submit_dir)


def _lose_document(made: Edited) -> None:
    (made.submit_dir / "catalogs" / "workflow.yml").unlink()
    (made.submit_dir / "catalogs" / "replicas.yml").unlink()


def _lose_properties(made: Edited) -> None:
    next(made.submit_dir.glob("pegasus.*.properties")).unlink()


def _lose_sources(made: Edited) -> None:
    (made.submit_dir / "sources.json").unlink()


def _lose_directory(made: Edited) -> None:
    sources = made.submit_dir / "sources.json"
    known = json.loads(sources.read_text())
    sources.write_text(json.dumps({**known, "directory": "/nowhere"}))


def _lose_plan(made: Edited) -> None:
    (made.submit_dir / "plan.jsonl").unlink()


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (_unpack, "is archived"),
        (_lose_document, "the copy of '.*workflow.yml' in the submit directory is missing"),
        (_lose_properties, "the properties of the run are missing"),
        (_lose_sources, "does not say how it was planned"),
        (_lose_directory, "was planned is gone: '/nowhere'"),
        (_lose_plan, "is not a submit directory"),
    ],
)
def test_a_record_that_is_not_complete_is_an_error(
    made: Edited, harm: Callable[[Edited], None], says: str
) -> None:
    harm(made)
    with pytest.raises(MarkabError, match=says) as error:
        operations.prepare_rerun(made.submit_dir)
    problems = getattr(error.value, "problems", [error.value])
    assert all(problem.hint for problem in problems)
    if harm is _lose_document:
        assert len(problems) == 2, "all that is missing is named"


def test_a_run_that_has_not_succeeded_is_to_be_finished_first(tmp_path: Path) -> None:
    made = failed(tmp_path)
    with pytest.raises(NotARun, match=r"has not succeeded \(failure\)") as error:
        operations.prepare_rerun(made.submit_dir)
    assert "markab run" in error.value.hint
    with engine_alive(made.submit_dir), pytest.raises(NotARun, match="running"):
        operations.prepare_rerun(made.submit_dir)
    (tmp_path / "never").mkdir()
    never = Edited(tmp_path / "never").plan()
    with pytest.raises(NotARun, match="not started"):
        operations.prepare_rerun(never.submit_dir)


def test_a_new_run_that_fails_is_not_compared_and_says_how_later(made: Edited) -> None:
    made.go.unlink()
    result = call(made)
    assert result.exit_code == 14
    assert "compare:  markab rerun --compare-with " in result.output
    made.go.touch()
    again = made.submit_dir.parent / "run0002"
    assert run_engine(again, RunOptions(cores=2)).state == "success"
    result = call(made, "--compare-with", str(again))
    assert result.exit_code == 0 and "4 results: 4 same" in result.output


def test_passwords_that_the_copies_of_documents_lack_are_kept(made: Edited) -> None:
    secret = made.submit_dir / "passwords.json"
    secret.touch(0o600)
    secret.write_text(json.dumps({"https://ada@host": "pw"}))
    new = Path(shown(call(made, "--json"))["submit_dir"]) / "passwords.json"
    assert json.loads(new.read_text()) == {"https://ada@host": "pw"} and new.stat().st_mode & 0o77 == 0


def test_a_workflow_object_is_run_again_and_compared(made: Edited) -> None:
    workflow = Workflow("w")
    workflow.use_run(made.submit_dir)
    made.write("first", "2")
    with pytest.raises(PegasusClientError, match="has changed"):
        workflow.rerun()
    made.write("first", "1")
    again = workflow.rerun(output_dir=made.path / "again")
    again.wait()
    assert {one["verdict"] for one in workflow.compare(again)} == {"same"}


def test_results_are_compared_by_checksum_and_by_size_without_one() -> None:
    old = {
        "a": RecordedResult("1", 5),
        "b": RecordedResult("1", 5),
        "c": RecordedResult("", 5),
        "d": RecordedResult("", 5),
        "e": RecordedResult("1", 5),
    }
    new = {
        "a": RecordedResult("1", 5),
        "b": RecordedResult("2", 5),
        "c": RecordedResult("", 6),
        "d": RecordedResult("", 5),
        "f": RecordedResult("1", 5),
    }
    verdicts = {one.lfn: one.verdict for one in compared_results(old, new)}
    assert verdicts == {
        "a": "same",
        "b": "different",
        "c": "different",
        "d": "unknown",
        "e": "missing",
        "f": "new",
    }


def test_the_table_has_what_is_not_the_same_first_and_does_not_grow_without_end() -> None:
    results = [ComparedResult(f"r{number:03}", "same", "1", "1") for number in range(60)]
    results.append(ComparedResult("x", "different", "a" * 64, "b" * 64))
    lines = table(results, Path("/r"))
    assert lines[0] == "compared with /r: 61 results: 60 same, 1 different"
    assert lines[1].startswith("  different  x  (sha256 was aaaa") and lines[-1].endswith(
        "10 more results that are the same"
    )


def test_recorded_arguments_are_options_again(tmp_path: Path) -> None:
    options = PlanOptions(
        workflow=Path("w.yml"), sites=["a", "b"], staging_sites={"": "x", "a": "y"}, random_dir="name", force=True,
        cache=[Path("c 1")], forward=["a=b", "c"], cleanup="none",
    )  # fmt: skip
    import shlex

    from markab.planner.options import from_flags

    words = shlex.split(" ".join(options.arguments()))
    assert from_flags(Path("w.yml"), parsed_words(words[:-1]), options.directory) == options


def test_the_properties_of_a_run_are_read_without_those_of_now(made: Edited) -> None:
    conf = next(made.submit_dir.glob("pegasus.*.properties"))
    assert recorded_properties(conf)["dagman.retry"] == "0"
