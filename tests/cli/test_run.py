from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, get_args

import pytest
from click.testing import CliRunner, Result

from kit.made_run import began, compute, end, ended, failed, gave_up, make_run, start
from markab import operations
from markab.cli.main import markab
from markab.cli.run import _parsed_memory_mb, pegasus_run
from markab.engine.background import Started
from markab.engine.recorder import Recorder
from markab.engine.run import Outcome, RunOptions
from markab.errors import RUN_EXIT_CODES, RunBusy
from markab.journal.progress import Progress
from markab.journal.records import OutcomeState
from markab.journal.writer import encode
from markab.plan.model import Kind, PlannedJob

JOBS = [compute("a"), compute("b", 0)]
Engine = Callable[..., Outcome]


def engine(state: Any, *entries: Any, **more: Any) -> Engine:
    """Make an engine that writes these records and ends so."""

    def run(
        submit_dir: Path,
        options: RunOptions,
        observer: Callable[[Progress], None],
        *,
        recorder: Recorder,
        on_accepted: Callable[[bool], None],
        **_: object,
    ) -> Outcome:
        with (submit_dir / "journal.jsonl").open("ab") as file:
            file.write(b"".join(map(encode, entries)))
        failures = sum(entry.__class__.__name__ == "GiveUp" for entry in entries)
        observer(Progress("words", "7a3c", 0.0, 2, succeeded=1, failed=failures))
        run.options = options  # type: ignore[attr-defined]
        return Outcome(state=state, counts={}, **more)

    return run


def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake: Engine, *words: str, **header: Any) -> Result:
    jobs = [JOBS[0], PlannedJob("out", Kind.STAGE_OUT, "local", parents=[0])] if "outputs" in header else JOBS
    make_run(tmp_path / "run0001", jobs, **header)
    monkeypatch.setattr("markab.engine.run.run", fake)
    monkeypatch.chdir(tmp_path)
    return CliRunner().invoke(markab, ["run", "run0001", *words])


SUCCESS = (began(), start(0), end(0), start(1), end(1), ended("success"))
FAILURE = (began(), start(0), failed(0, stderr="line 1\nno such file\n"), gave_up(0), ended("failed"))


def test_success_says_where_the_results_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = call(tmp_path, monkeypatch, engine("success", *SUCCESS), outputs={"far": "https://far/out"})
    assert result.exit_code == 0
    assert "words: all 2 jobs succeeded in 9.0 s\n  results: https://far/out\n" in result.stdout


def test_failure_says_what_failed_why_and_how_to_continue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = call(tmp_path, monkeypatch, engine("failed", *FAILURE))
    assert result.exit_code == 14
    assert "failed: wc_a, attempt 1: exit code 3 (given up)" in result.stderr, "as it happens"
    assert "wc_a failed (attempt 1)\n  exit code 3\n  command: /usr/bin/wc -l in\n" in result.stderr
    assert "    no such file" in result.stderr
    assert "words: 1 job failed, 0 of 2 jobs succeeded, 1 skipped" in result.stdout
    assert "markab show run0001 wc_a" in result.stdout and "markab run run0001" in result.stdout


@pytest.mark.parametrize(
    ("state", "code"), [("success", 0), ("failed", 14), ("halted", 15), ("removed", 15), ("interrupted", 130)]
)
def test_exit_codes_show_how_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str, code: int
) -> None:
    result = call(tmp_path, monkeypatch, engine(state, began(), ended(state)))
    assert result.exit_code == code
    assert ("continue: markab run run0001" in result.stdout) == (state != "success")


def test_every_ending_of_a_run_has_an_exit_code() -> None:
    assert RUN_EXIT_CODES.keys() == set(get_args(OutcomeState))


def test_json_has_counts_failures_and_outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = call(
        tmp_path, monkeypatch, engine("failed", *FAILURE), "--json", outputs={"far": "https://far/out"}
    )
    shown = json.loads(result.stdout)
    assert (shown["state"], shown["failed"], shown["total"]) == ("failed", 1, 2)
    assert shown["failures"][0]["job"] == "wc_a"
    assert shown["failures"][0]["error"]["message"] == "exit code 3"
    assert shown["outputs"] == ["https://far/out"]


def test_limits_reach_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = engine("success", *SUCCESS)
    words = "--cores 3 --memory 2GB --gpus 1 --max-jobs 7".split()  # noqa: SIM905
    call(tmp_path, monkeypatch, fake, *words)
    assert fake.options == RunOptions(cores=3, memory_mb=2048, gpus=1, max_jobs=7)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("words", "keep_going"),
    [((), None), (("--fail-fast",), False), (("--keep-going",), True), (("--keep-g",), True)],
)
def test_whether_to_keep_going_reaches_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], keep_going: bool | None
) -> None:
    fake = engine("success", *SUCCESS)
    call(tmp_path, monkeypatch, fake, *words)
    assert fake.options == RunOptions(keep_going=keep_going)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "mb"),
    [("500", 500), ("500 MB", 500), ("8GB", 8192), ("1.5g", 1536), ("2GiB", 2048), ("1TB", 1 << 20)],
)
def test_memory_is_read_with_its_unit(text: str, mb: int) -> None:
    assert _parsed_memory_mb(text) == mb


def test_memory_that_is_no_size_is_a_wrong_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call(tmp_path, monkeypatch, engine("success"), "--memory", "much").exit_code == 2


def test_detached_it_returns_at_once_and_hands_its_limits_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []

    def start(path: Path, limits: operations.Limits, *switches: bool | None) -> Started:
        started.append((path, limits, *switches))
        return Started(4711, False)

    monkeypatch.setattr(operations, "start", start)
    flags = (
        "--detach",
        "--cores",
        "2",
        "--memory",
        "8GB",
        "--keep-failed",
        "--restore",
        "--refresh",
        "--fail-fast",
    )
    result = call(tmp_path, monkeypatch, engine("success"), *flags)
    assert started == [
        (tmp_path / "run0001", operations.Limits(cores=2, memory_mb=8192), True, True, True, True)
    ]
    assert "process 4711" in result.stdout and "markab status run0001" in result.stdout
    assert result.exit_code == 0


@pytest.mark.parametrize("is_complete", [True, False])
@pytest.mark.parametrize("flag", ["--refresh", "--restore", "--keep-going"])
def test_detached_a_complete_run_is_said_to_have_nothing_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flag: str, is_complete: bool
) -> None:
    monkeypatch.setattr(operations, "start", lambda *_: Started(4711, is_complete))

    result = call(tmp_path, monkeypatch, engine("success"), "--detach", flag)

    assert ("nothing to run: words: " in result.stdout) == is_complete
    assert ("running in the background as process 4711" in result.stdout) == (not is_complete)
    assert CliRunner().invoke(markab, ["run", "run0001", "--detach", "-q"]).stdout == ""
    assert (
        json.loads(CliRunner().invoke(markab, ["run", "run0001", "--detach", "-J"]).stdout)["complete"]
        is is_complete
    )


def test_plan_flags_on_a_planned_run_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = call(tmp_path, monkeypatch, engine("success"), "--sites", "a", "-Dx=1")
    assert result.exit_code == 2
    assert "-D, --sites: run0001 is planned already; leave out the flags of planning" in result.stderr


@pytest.mark.parametrize("flags", [(), ("-O", "out")])
def test_a_name_that_is_nothing_gets_a_hint_with_and_without_planning_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(markab, ["run", *flags, "worklfow.yml"])
    assert result.exit_code == 12
    assert "there is no 'worklfow.yml'\n  hint: name a submit directory" in result.stderr


def test_without_a_name_the_missing_document_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(markab, ["run", "-O", "out"])
    assert result.exit_code == 12
    assert (
        "there is no 'workflow.yml' here to be planned\n  hint: name the workflow document, after the flags"
        in result.stderr
    )
    result = CliRunner().invoke(markab, ["run"])
    assert result.exit_code == 12 and "or a workflow document or script, such as" in result.stderr


def test_warnings_of_the_engine_and_a_complete_run_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = engine("success", *SUCCESS, was_complete=True, warnings=["align runs alone"])
    result = call(tmp_path, monkeypatch, fake)
    assert "warning: align runs alone" in result.stderr
    assert "nothing to run" in result.stdout


def test_pegasus_run_starts_in_the_background_and_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(tmp_path, JOBS)
    monkeypatch.setattr(operations, "start", lambda run: Started(4711, False))
    words = ["-Dx=1", "-c", "p.properties", "-d", "2", "-vv", "--nogrid", str(tmp_path)]
    result = CliRunner().invoke(pegasus_run, words)
    assert result.exit_code == 0, result.output
    for line in (f"pegasus-status -l {tmp_path}", f"pegasus-remove {tmp_path}"):
        assert f"\n{line}\n" in result.stdout

    shown = json.loads(CliRunner().invoke(pegasus_run, ["-j", str(tmp_path)]).stdout)
    assert shown["wf_uuid"] == "7a3c" and shown["submit_dir"] == str(tmp_path)


def test_pegasus_run_of_a_finished_run_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(tmp_path, JOBS, SUCCESS)
    monkeypatch.setattr(operations, "start", lambda run: Started(4711, True))
    assert (
        "nothing to run: words: all 2 jobs succeeded"
        in CliRunner().invoke(pegasus_run, [str(tmp_path)]).stdout
    )


def test_hints_name_only_commands_that_are_there() -> None:
    from markab.cli.pegasus_hints import started_text

    assert "pegasus-analyzer" not in started_text(Path("/run"), find=lambda name: None)
    assert "pegasus-analyzer /run" in started_text(Path("/run"), find=lambda name: name)


def test_commands_to_type_are_quoted_where_a_shell_would_split_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from markab.cli.pegasus_hints import planned_text, started_text
    from markab.formatting import shown_path

    monkeypatch.chdir(tmp_path)

    assert shown_path(tmp_path / "my run") == "'my run'"
    assert shown_path(tmp_path / "run0001") == "run0001"
    assert "\npegasus-remove '/my run'\n" in planned_text(Path("/my run"))
    assert "\npegasus-status -l '/my run'\n" in started_text(Path("/my run"))


def test_the_engine_asks_the_follower_whose_last_error_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Known:
        may_start, error, warnings = False, "the database has gone", ("no list of runs",)
        finished = 0

        def finish(self) -> None:
            self.finished += 1

    known = Known()
    asked = []
    monkeypatch.setattr("markab.provenance.follower.following", lambda path: nullcontext(known))

    def interrupted(*arguments: Any, recorder: Recorder, **more: Any) -> Outcome:
        asked.append(recorder)
        return engine("interrupted", began(), ended("interrupted"))(*arguments, recorder=recorder, **more)

    result = call(tmp_path, monkeypatch, interrupted)
    assert result.exit_code == 130 and asked == [known] and known.finished == 1
    assert "warning: no list of runs\n" in result.stderr
    assert "warning: the database has gone; the missing records are in the journal" in result.stderr


def test_a_busy_run_is_an_error_with_its_own_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: Any, **__: Any) -> Outcome:
        raise RunBusy("'run0001' is being run by process 1", hint="watch it")

    result = call(tmp_path, monkeypatch, busy)
    assert result.exit_code == 23
    assert result.stderr == "error: 'run0001' is being run by process 1\n  hint: watch it\n"
