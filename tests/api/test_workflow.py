import json
import sys
import types
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from markab import operations
from markab.api import Job, PegasusClientError, PegasusError, Workflow, progress_bar
from markab.errors import PlanningError, Problem, RunBusy
from markab.plan.model import GivenSlots
from markab.planner.machine_needs import NO_NEEDS, Needs
from markab.planner.options import PlanOptions
from markab.planner.request_check import Answer


@dataclass
class FakeStatus:
    state: str = "Running"
    unready: int = 1
    ready: int = 1
    pre: int = 0
    queued: int = 3
    post: int = 0
    succeeded: int = 4
    failed: int = 1
    total: int = 10
    running: int = 2
    percent_done: float = 40.0
    note: str = ""

    @property
    def is_over(self) -> bool:
        return self.state not in ("Running", "Not started")

    def to_json(self, queue: bool = True) -> dict[str, Any]:
        return {"totals": {"total": self.total}, "dags": {"root": {"state": self.state}}, "queue": queue}

    def text(
        self, long: bool = False, queue: bool = True, legend: bool = False, directories: bool = False
    ) -> str:
        return f"table {long=} {queue=} {legend=} {directories=}\n"


@dataclass
class FakePlanned:
    submit_dir: Path
    braindump: dict[str, str | None] = field(default_factory=lambda: {"user": "ada", "grid_dn": None})
    warnings: list[Problem] = field(default_factory=list)
    needs: Needs = NO_NEEDS
    slots: GivenSlots = field(default_factory=GivenSlots)
    kept: dict[str, object] = field(default_factory=dict)


class Machinery:
    """Stands for planner, engine and reports, and remembers what it was asked."""

    def __init__(self, directory: Path) -> None:
        self.planned = FakePlanned(directory / "run0001")
        self.planned.submit_dir.mkdir()
        (self.planned.submit_dir / "plan.jsonl").touch()
        self.options: PlanOptions | None = None
        self.calls: list[str] = []
        self.words: list[tuple[str, ...]] = []
        self.statuses: list[FakeStatus] = [FakeStatus()]
        self.error: Exception | None = None
        self.is_complete = False

    def plan(self, options: PlanOptions, progress: object = None, **_: object) -> FakePlanned:
        assert options.workflow.is_file()
        self.options = options
        return self._answer("plan", self.planned)

    def start(self, submit_dir: Path, words: tuple[str, ...] = ()) -> tuple[int, bool]:
        self.words.append(words)
        return self._answer(f"start {submit_dir.name}", (4242, self.is_complete))

    def request_remove(self, submit_dir: Path) -> bool:
        return self._answer(f"remove {submit_dir.name}", True)

    def engine_pid(self, submit_dir: Path) -> int | None:
        return None

    def TreeStatus(self, submit_dir: Path, *, why: bool = False) -> Callable[[], FakeStatus]:  # noqa: N802
        return lambda: self.read_status(submit_dir)

    def read_status(self, submit_dir: Path) -> FakeStatus:
        return self._answer("status", self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0])

    def _answer(self, call: str, answer: Any) -> Any:
        self.calls.append(call)
        if self.error is not None:
            raise self.error
        return answer


@pytest.fixture
def machinery(tmp_path: Path, monkeypatch) -> Machinery:
    fake = Machinery(tmp_path)
    for name, functions in {
        "markab.planner.planning": ["plan"],
        "markab.engine.background": ["start"],
        "markab.engine.control": ["request_remove", "engine_pid"],
        "markab.reports.tree_status": ["TreeStatus"],
    }.items():
        module = types.ModuleType(name)
        for function in functions:
            setattr(module, function, getattr(fake, function))
        monkeypatch.setitem(sys.modules, name, module)
        package, _, last = name.rpartition(".")
        monkeypatch.setattr(__import__(package, fromlist=["x"]), last, module, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("markab.api.workflow.time.sleep", lambda delay: fake.calls.append(f"sleep {delay}"))
    return fake


def workflow() -> Workflow:
    return Workflow("w").add_jobs(Job("true"))


def test_run_has_the_options_of_the_command_line(machinery: Machinery) -> None:
    wf = workflow().plan()
    wf.run(cores=2, memory="8GB", gpus=0, max_jobs=5, keep_failed=True, restore=True, refresh=True)
    wf.run(memory=500)

    words = "--cores 2 --memory 8192 --gpus 0 --max-jobs 5 --keep-failed --restore --refresh"
    assert machinery.words == [tuple(words.split()), ("--memory", "500")]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"cores": 0}, "cores is 0, but must be a whole number, at least 1"),
        ({"gpus": 1.5}, "gpus is 1.5, but must be a whole number"),
        ({"max_jobs": "2"}, "max_jobs is '2', but"),
        ({"memory": "much"}, "memory is 'much', but must be a size"),
    ],
)
def test_limits_of_another_kind_are_refused(
    machinery: Machinery, limits: dict[str, Any], message: str
) -> None:
    wf = workflow().plan()
    with pytest.raises(ValueError, match=message):
        wf.run(**limits)
    assert machinery.words == []


def test_a_run_that_is_complete_says_that_there_is_nothing_to_run(machinery: Machinery, capsys) -> None:
    machinery.is_complete = True
    workflow().plan().run(verbose=1)
    assert "nothing to run: all jobs of " in capsys.readouterr().out


def test_plan_writes_the_workflow_if_need_be_and_returns_where_the_plan_is(
    machinery: Machinery, tmp_path: Path
) -> None:
    wf = workflow().plan()

    assert wf.path == tmp_path / "workflow.yml"
    assert wf.submit_dir == tmp_path / "run0001"
    assert ("ada", None) == (wf.braindump.user, wf.braindump.grid_dn)
    assert machinery.calls == ["plan"]
    assert machinery.options == PlanOptions(workflow=wf.path, output_sites=["local"], directory=tmp_path)


def test_plan_hands_every_option_on(machinery: Machinery, tmp_path: Path) -> None:
    workflow().write("other.dax").plan(
        conf="c",
        basename="b",
        job_prefix="p",
        cluster=["label"],
        sites=("x", "y"),
        output_sites=["o"],
        staging_sites={"x": "s"},
        cache=[Path("c1"), "c2"],
        input_dirs=["i"],
        output_dir="od",
        transformations_dir="t",
        dir="d",
        relative_dir="r",
        random_dir="rd",
        relative_submit_dir="rs",
        inherited_rc_files=["f"],
        cleanup="none",
        reuse=["u"],
        verbose=3,
        quiet=1,
        force=True,
        force_replan=True,
        forward=["a"],
        java_options=["mx1g"],
        **{"pegasus.mode": "development", "pegasus.register": False},
    )
    assert machinery.options == PlanOptions(
        workflow=tmp_path / "other.dax",
        conf=Path("c"),
        properties={"pegasus.mode": "development", "pegasus.register": "false"},
        sites=["x", "y"],
        output_sites=["o"],
        staging_sites={"x": "s"},
        input_dirs=[Path("i")],
        output_dir=Path("od"),
        transformations_dir=Path("t"),
        dir=Path("d"),
        relative_dir="r",
        relative_submit_dir="rs",
        random_dir="rd",
        basename="b",
        job_prefix="p",
        cleanup="none",
        cluster=["label"],
        cache=[Path("c1"), Path("c2")],
        reuse=[Path("u")],
        inherited_rc_files=[Path("f")],
        force=True,
        force_replan=True,
        forward=["a"],
        directory=tmp_path,
    )


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("site", "sites"),
        ("output_site", "output_sites"),
        ("staging_site", "staging_sites"),
        ("relativ_dir", "relative_dir"),
    ],
)
def test_a_slip_in_a_keyword_becomes_a_property_with_a_warning(
    machinery, caplog, slip: str, meant: str
) -> None:
    workflow().plan(**{slip: "x"})
    assert machinery.options.properties == {slip: "x"}
    assert f"did you mean {meant!r}" in caplog.text


def test_without_a_log_warnings_go_to_stderr(machinery: Machinery, capsys, monkeypatch) -> None:
    monkeypatch.setattr("logging.Logger.hasHandlers", lambda self: False)
    machinery.planned.warnings = [Problem("property 'x' is not known", "did you mean 'y'?")]

    workflow().plan(site="x")

    assert capsys.readouterr().err.splitlines() == [
        "warning: plan() has no option 'site'; it is set as a property without effect; did you mean 'sites'?",
        "warning: property 'x' is not known (did you mean 'y'?)",
    ]
    workflow().plan(quiet=1)
    assert capsys.readouterr().err == ""


def test_a_submit_directory_that_is_gone_is_named_when_the_run_is_to_start(machinery: Machinery) -> None:
    wf = workflow().plan()
    (machinery.planned.submit_dir / "plan.jsonl").unlink()
    with pytest.raises(PegasusClientError, match="is not a submit directory"):
        wf.run()
    assert machinery.calls == ["plan"]


def test_submit_also_runs(machinery: Machinery) -> None:
    wf = workflow().plan(submit=True)
    assert machinery.calls == ["plan", "start run0001"]
    assert wf.run_output == {"user": "ada", "grid_dn": None, "submit_dir": str(wf.submit_dir), "pid": 4242}


def test_run_until_plans_again_as_last_time_but_only_what_the_targets_need(machinery: Machinery) -> None:
    wf = workflow().plan(sites=["a"], force=True, submit=True, **{"pegasus.mode": "tutorial"})
    first = machinery.options
    assert first is not None and [] == first.until

    wf.run(until=["x.txt"], fail_fast=True)

    assert ["plan", "start run0001"] * 2 == machinery.calls
    assert replace(first, until=["x.txt"]) == machinery.options
    assert [(), ("--fail-fast",)] == machinery.words


def test_run_until_plans_a_workflow_that_was_not_planned(machinery: Machinery) -> None:
    workflow().run(until=["x.txt"])

    assert ["plan", "start run0001"] == machinery.calls
    assert machinery.options is not None and ["x.txt"] == machinery.options.until


def test_the_calls_chain(machinery: Machinery, capsys) -> None:
    machinery.statuses = [FakeStatus("Success")]
    wf = workflow()
    assert wf.write().plan().run(verbose=1, grid=True).status().wait().remove() is wf
    assert [call for call in machinery.calls if call != "status"] == [
        "plan",
        "start run0001",
        "remove run0001",
    ]
    assert "as process 4242" in capsys.readouterr().out


def test_what_needs_a_plan_says_so() -> None:
    wf = workflow()
    for call in (wf.run, wf.status, wf.get_status, wf.wait, wf.remove, wf.analyze, wf.statistics):
        with pytest.raises(PegasusError, match="plan it first"):
            call()
    for name in ("submit_dir", "braindump"):
        with pytest.raises(PegasusError, match="plan it first"):
            getattr(wf, name)
    with pytest.raises(PegasusError, match="start it first"):
        wf.run_output  # noqa: B018
    with pytest.raises(PegasusError, match="write it to a file first"):
        wf.path  # noqa: B018


def test_a_failed_plan_carries_every_reason_and_its_exit_code(machinery: Machinery) -> None:
    machinery.error = PlanningError(Problem("no site 'x'", "did you mean 'y'?"), Problem("no file 'z'"))
    wf = workflow()

    with pytest.raises(PegasusClientError, match="no site 'x'\n  hint: did you mean 'y'") as caught:
        wf.plan()

    text = "no site 'x'\n  hint: did you mean 'y'?\nno file 'z'"
    assert caught.value.result.returncode == caught.value.result.exit_code == 11
    assert (caught.value.result.stdout, caught.value.result.stderr) == ("", text)
    assert caught.value.output == "\n" + text
    with pytest.raises(PegasusError):
        wf.submit_dir  # noqa: B018


@pytest.mark.parametrize("method", ["run", "status", "get_status", "remove", "wait"])
def test_every_other_failure_is_a_client_error_too(machinery: Machinery, method: str) -> None:
    wf = workflow().plan()
    machinery.error = RunBusy("process 7 runs it", "stop it")
    with pytest.raises(PegasusClientError, match="process 7 runs it") as caught:
        getattr(wf, method)()
    assert caught.value.result.returncode == RunBusy.exit_code


def test_status_prints_the_table_or_json(machinery: Machinery, capsys) -> None:
    wf = workflow().plan()
    wf.status(long=True, noqueue=True, legend=True, dirs=True)
    assert capsys.readouterr().out == "table long=True queue=False legend=True directories=True\n"
    wf.status(json=True)
    assert json.loads(capsys.readouterr().out)["totals"] == {"total": 10}
    assert wf.get_status()["dags"]["root"]["state"] == "Running"


def test_wait_looks_less_often_the_longer_it_takes(machinery: Machinery) -> None:
    machinery.statuses = [FakeStatus()] * 6 + [FakeStatus("Success")]
    workflow().plan().wait(delay=1)
    naps = [float(call.split()[1]) for call in machinery.calls if call.startswith("sleep")]
    assert naps == [0.1, 0.2, 0.4, 0.8, 1, 1]


def test_wait_looks_until_the_end_and_prints_a_line_for_each_change(machinery: Machinery, capsys) -> None:
    last = FakeStatus("Success", 0, 0, 0, 0, 0, 10, 0, 10, 0, 100.0)
    machinery.statuses = [FakeStatus(), FakeStatus(), last]

    workflow().plan().wait(delay=0)

    assert machinery.calls == ["plan", "status", "sleep 0", "status", "sleep 0", "status"]
    assert capsys.readouterr().out.splitlines() == [
        "[######################...]  40.0% ..Running "
        "(Unready: 1, Completed: 4, Queued: 2, Running: 2, Failed: 1)",
        "[#########################] 100.0% ..Success (Unready: 0, Completed: 10, Queued: 0, Running: 0, Failed: 0)",
    ]


def test_wait_says_once_what_holds_the_run(machinery: Machinery, capsys) -> None:
    held = FakeStatus(note="no room; nothing new is started until that works")
    machinery.statuses = [FakeStatus(), held, held, FakeStatus("Success")]

    workflow().plan().wait(delay=0)

    lines = capsys.readouterr().out.splitlines()
    assert lines.count(held.note) == 1
    assert lines.index(held.note) == 1, "after the first line, before the end"


@pytest.mark.parametrize("state", ["Success", "Failure", "Halted", "Removed"])
def test_wait_ends_with_the_run_however_it_ended(machinery: Machinery, state: str) -> None:
    machinery.statuses = [FakeStatus(state)]
    workflow().plan().wait()
    assert machinery.calls == ["plan", "status"]


def test_wait_does_not_wait_for_a_run_that_was_not_started(machinery: Machinery) -> None:
    machinery.statuses = [FakeStatus("Not started")]
    with pytest.raises(PegasusError, match="was not started"):
        workflow().plan().wait()


def test_wait_for_a_run_that_was_refused_says_why(machinery: Machinery) -> None:
    machinery.statuses = [FakeStatus("Refused", note="refused: this machine has no GPUs")]
    with pytest.raises(PegasusError, match="was refused: this machine has no GPUs"):
        workflow().plan().wait()


def test_ctrl_c_ends_the_waiting_and_leaves_the_run_alone(machinery: Machinery, monkeypatch) -> None:
    def interrupt(delay: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("markab.api.workflow.time.sleep", interrupt)
    wf = workflow().plan()
    assert wf.wait() is wf
    assert machinery.calls == ["plan", "status"]


class Terminal:
    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None: ...

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError("no descriptor")


def test_the_bar_is_redrawn_in_colour_only_on_a_terminal_that_may_have_it(monkeypatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    with progress_bar.live_bar(terminal) as show:  # type: ignore[arg-type]
        show(FakeStatus())
    assert terminal.text.startswith("\r\033[K[\033[32m##########\033[0m") and terminal.text.endswith("\n")

    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    with progress_bar.live_bar(terminal) as show:  # type: ignore[arg-type]
        show(FakeStatus())
        show(FakeStatus("Success"))
    assert terminal.text.count("\r") == 2 and "\033" not in terminal.text


@pytest.mark.parametrize("done", range(11))
def test_the_bar_has_25_cells(done: int) -> None:
    status = FakeStatus("Running", 10 - done, 0, 0, 0, 0, done, 0, 10, 0, done * 10.0)
    cells = progress_bar.bar(status, colour=False).split("]")[0][1:]
    assert len(cells) == 25 and cells.count("#") == 25 * done // 10


def test_the_bar_never_wraps_in_a_narrow_terminal(monkeypatch) -> None:
    """A line that wraps is not redrawn in place but fills the screen."""

    def drawn(columns: int) -> str:
        monkeypatch.setattr(progress_bar, "_columns", lambda stream: columns)
        monkeypatch.setenv("NO_COLOR", "1")
        terminal = Terminal()
        with progress_bar.live_bar(terminal) as show:  # type: ignore[arg-type]
            show(FakeStatus())
        return terminal.text.strip("\r\n")

    assert "Completed: 4" in drawn(200) and "C: 4" in drawn(80) and "(" not in drawn(60)
    assert all(len(drawn(columns)) < columns for columns in (46, 60, 80, 100, 120))


@dataclass
class FakeReport:
    run: Path

    def text(self) -> str:
        return f"report of {self.run.name}\n"


@pytest.mark.parametrize("call", ["analyze", "statistics"])
def test_reports_are_printed(machinery, capsys, monkeypatch, call: str) -> None:
    monkeypatch.setattr(operations, "analyze", lambda run: nullcontext(FakeReport(run)))
    monkeypatch.setattr(operations, "save_statistics", FakeReport)
    monkeypatch.setattr(operations, "statistics_text", lambda found: found.text().rstrip())
    getattr(workflow().plan(), call)(verbose=1)
    assert capsys.readouterr().out == "report of run0001\n"


def test_lint_returns_what_is_most_likely_not_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    workflow = Workflow("w").add_jobs(
        Job("echo", _id="one").add_args("x").add_outputs("lost.txt", stage_out=False, register_replica=False)
    )

    (found,) = workflow.lint(sites=["local"])
    assert (found.code, found.severity, found.file) == ("unread-output", "warning", "workflow.yml")
    assert workflow.lint(off=["unread-output"]) == []
    with pytest.raises(TypeError):
        workflow.lint(sites="local")
    Path("workflow.yml").unlink()
    with pytest.raises(PegasusClientError, match="linting failed"):
        workflow.lint()


def test_a_workflow_whose_results_are_up_to_date_takes_the_run_that_made_them(
    machinery: Machinery, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = Answer(machinery.planned.submit_dir, "w", 1, [])
    monkeypatch.setattr(operations, "find_answer", lambda _: answer)
    monkeypatch.setattr(operations, "read_braindump", lambda _: {"user": "ada"})
    machinery.is_complete = True

    wf = workflow().plan(submit=True)

    assert (["start run0001"], answer.submit_dir) == (machinery.calls, wf.submit_dir)
