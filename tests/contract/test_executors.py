"""What every executor must do; each test runs once for every available executor.

A test whose fixture is `bench` holds for all of them; the others say by the name of
their fixture what the executor must have.
"""

from __future__ import annotations

import hashlib
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from contract import walled_node
from contract.walled_executor import WalledExecutor
from kit import grid_engine, slurm_cluster
from kit.fake_cloud.clouds import SERVICES, fake_cloud, request_at
from kit.fake_scheduler.scheduler import fake_scheduler
from kit.fake_scheduler.systems import MODULES
from kit.waiting import PATIENCE_S, is_alive, wait_for_line, wait_until
from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, Executor, Report, RunContext, Seen
from markab.executors.batch_executor import BatchExecutor
from markab.executors.htcondor.executor import HTCondorExecutor
from markab.executors.local import LocalExecutor
from markab.executors.remote.batch_systems import language
from markab.executors.remote.command_runner import CommandRunner
from markab.executors.remote.command_service import CommandService
from markab.journal.attempt_story import captured
from markab.plan.model import Input, Kind, Output, Place, PlannedJob, PlannedTask, Transfer
from markab.transfers.reserved_names import BATCHES
from markab.worker.deadlines import GRACE_S


class Case(NamedTuple):
    """An executor under test, and what can be tested of it."""

    make: Callable[[Path], Executor]
    """Takes a directory of its own."""
    is_mounted: bool = True
    """Its node sees scratch, work and all other directories of the submit host."""
    is_apart: bool = False
    """Its node sees no file of the submit host."""
    is_here: bool = True
    """It runs jobs on the submit host: Markab's own, too, and none outlives the engine."""
    node: str = ""
    """Of one whose node does not see them: a pattern for the directory where it has `scratch` and `work`."""
    returns_cancelled: bool = True
    """What an attempt that is cancelled wrote comes back."""
    grace_s: float = GRACE_S
    why_not: Callable[[], str] = lambda: ""
    """Why it cannot be tested here."""
    fake: str = ""
    """The system that a fake scheduler is in its place; it is tested with the integration tests."""
    cloud: str = ""
    """The service that a fake of its API is in its place; it is tested with the integration tests."""
    fixture: str = ""
    """That starts the servers it needs, and has the directory `top` of its nodes, if these are another; tested with the integration tests."""


def make_walled(top: Path) -> Executor:
    return WalledExecutor(top / "node")


def make_batch(name: str) -> Callable[[Path], Executor]:
    return lambda top: BatchExecutor(
        CommandService(language(name), CommandRunner()), grace_s=5.0, pulse_s=1.0
    )


def make_cloud(name: str) -> Callable[[Path], Executor]:
    return lambda top: BatchExecutor(SERVICES[name](), grace_s=5.0, pulse_s=1.0)


def make_htcondor(top: Path) -> Executor:
    return HTCondorExecutor()


EXECUTORS = {
    "local": Case(lambda top: LocalExecutor(grace_s=0.3), grace_s=0.3),
    "walled": Case(
        make_walled,
        is_mounted=False,
        is_apart=True,
        is_here=False,
        node="/job",
        why_not=walled_node.why_not,
    ),
    "htcondor": Case(
        make_htcondor,
        is_mounted=False,
        is_here=False,
        node="/.*/execute/dir_[0-9]+",
        returns_cancelled=False,
        fixture="htcondor",
    ),
    "slurm": Case(make_batch("slurm"), is_here=False, why_not=slurm_cluster.why_not, fixture="shared_slurm"),
    "sge": Case(make_batch("sge"), is_here=False, why_not=grid_engine.why_not, fixture="shared_sge"),
    **{
        f"fake-{system}": Case(make_batch(system), is_here=False, fake=system)
        for system in MODULES
        if system != "sge"  # the real one is here
    },
    **{f"fake-{name}": Case(make_cloud(name), is_here=False, cloud=name) for name in SERVICES},
}
BEFORE_THE_END = {Seen.QUEUED, Seen.HELD, Seen.RUNNING}
UUID = f"5f0c7f3e-uuid-{os.getpid()}"  # what another process tests must not be recovered here


class Bench:
    """A run with directories of its own, on the executor under test."""

    def __init__(self, top: Path, case: Case, integrity: str = "full") -> None:
        self.case, self.top = case, top
        self.scratch, self.work, self.submit_dir = top / "scratch", top / "work", top / "submit"
        for path in (self.scratch, self.work, self.submit_dir):
            path.mkdir(exist_ok=True)
        self.catalog = top / "replicas.db"
        self.context = RunContext(UUID, "flow", str(self.submit_dir), integrity, 2, 1, str(self.catalog))
        self.executor = case.make(top)
        self.node_top = top
        """The directories of its nodes are below it."""
        self.count = 0
        self.node_scratch, self.node_work = re.escape(str(self.scratch)), re.escape(str(self.work))
        """Patterns of the paths that they have at the node."""
        if not case.is_mounted:
            self.node_scratch, self.node_work = f"{case.node}/scratch", f"{case.node}/work"

    def attempt(self, job: PlannedJob, number: int = 1, checksums: dict[str, str] | None = None) -> Attempt:
        self.count += 1
        if self.case.cloud:
            job = msgspec.structs.replace(job, batch=request_at(self.case.cloud, self.top))
        id_ = AttemptId(UUID, self.count, number)
        return Attempt(id_, job, self.context, str(self.scratch), str(self.work), checksums or {})

    def wait_all(
        self, ids: set[AttemptId], patience_s: float = PATIENCE_S
    ) -> dict[AttemptId, dict[str, Any]]:
        records: dict[AttemptId, dict[str, Any]] = {}
        give_up = time.monotonic() + patience_s
        while ids - records.keys():
            assert time.monotonic() < give_up, "the executor reports nothing"
            for report in self.executor.wait(1.0):
                if report.seen is Seen.ENDED:
                    assert report.record is not None
                    records[report.id] = report.record
        return records

    def run(
        self,
        job: PlannedJob,
        number: int = 1,
        checksums: dict[str, str] | None = None,
        patience_s: float = PATIENCE_S,
    ) -> dict[str, Any]:
        attempt = self.attempt(job, number, checksums)
        self.executor.submit([attempt])
        return self.wait_all({attempt.id}, patience_s)[attempt.id]

    def files_left(self) -> list[str]:
        """What attempts left behind; empty directories may be kept for the next attempt."""
        return [name for _, _, names in os.walk(self.work) for name in names]

    def count_files(self, name: str) -> int:
        """How many files of a name there are, also at the nodes."""
        return sum(name in names for _, _, names in os.walk(self.node_top))

    def stage(self, lfn: str, text: str) -> Input:
        path = self.scratch / lfn
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return Input(lfn, sha256=hashlib.sha256(text.encode()).hexdigest())


def those(is_wanted: Callable[[Case], bool] = lambda case: True) -> list[Any]:
    """Return the names of executors, as parameters of a test."""
    return [
        pytest.param(name, marks=pytest.mark.integration if case.fixture or case.fake or case.cloud else ())
        for name, case in sorted(EXECUTORS.items())
        if is_wanted(case)
    ]


def open_bench(request: pytest.FixtureRequest, top: Path) -> Iterator[Bench]:
    name = request.param
    case = EXECUTORS[name]
    if (why := case.why_not()) and not ("CI" in os.environ and os.geteuid() == 0):
        pytest.skip(f"{name}: {why}")
    server = request.getfixturevalue(case.fixture) if case.fixture else None
    with ExitStack() as stack:
        if case.fake:
            site = stack.enter_context(
                fake_scheduler(top.with_name(f"{top.name}-site"), case.fake, kill_wait_s=30)
            )
            stack.enter_context(pytest.MonkeyPatch.context()).setenv("PATH", site.search_path)
        if case.cloud:
            stack.enter_context(fake_cloud(case.cloud, top))
        made = Bench(top, case)
        made.node_top = server.top if server else top
        yield made
        made.executor.close()


@pytest.fixture(params=those())
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    yield from open_bench(request, tmp_path)


@pytest.fixture(params=those(lambda case: case.is_mounted))
def mounted(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """Its node sees the directories of the submit host."""
    yield from open_bench(request, tmp_path)


@pytest.fixture(params=those(lambda case: case.is_apart))
def apart(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """Its node does not."""
    yield from open_bench(request, tmp_path)


@pytest.fixture(params=those(lambda case: case.is_here))
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """It runs jobs on the submit host."""
    yield from open_bench(request, tmp_path)


@pytest.fixture(params=those(lambda case: not case.is_here))
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """It does not: submitted attempts outlive the engine."""
    yield from open_bench(request, tmp_path)


def shell(script: str, **more: Any) -> PlannedJob:
    return compute([PlannedTask("ID1", "sh", "/bin/sh", "-c '" + script.replace("'", "'\\''") + "'")], **more)


def compute(tasks: list[PlannedTask], **more: Any) -> PlannedJob:
    return PlannedJob(id=more.pop("id", "job_ID1"), kind=Kind.COMPUTE, site="local", tasks=tasks, **more)


def kinds(record: dict[str, Any]) -> list[str]:
    return [error["kind"] for error in [record["error"], *record.get("also", [])]]


def test_an_attempt_that_exits_with_zero_succeeds_and_is_measured(bench: Bench) -> None:
    record = bench.run(shell("echo hello; echo oops >&2"))

    assert record["ok"] and "error" not in record
    assert record["stdout"] == "hello\n" and record["stderr"] == "oops\n"
    (invocation,) = record["invocations"]
    assert invocation["status"] == 0 and invocation["task"] == "ID1"
    assert invocation["argv"] == ["/bin/sh", "-c", "echo hello; echo oops >&2"]
    assert invocation["pid"] > 0 and invocation["maxrss_kb"] > 0 and invocation["duration_s"] > 0
    assert record["start"] <= invocation["start"] <= record["end"]


def test_an_exit_code_is_recorded_as_a_raw_status(bench: Bench) -> None:
    record = bench.run(shell("exit 3"))

    assert not record["ok"]
    assert record["error"]["message"] == "task 'ID1' ended with exit code 3"
    assert record["invocations"][0]["status"] == 3 << 8


def test_an_end_by_signal_is_reported_with_its_name(bench: Bench) -> None:
    record = bench.run(shell("kill -SEGV $$"))

    assert record["error"]["kind"] == "signal"
    assert "SIGSEGV (11)" in record["error"]["message"]
    assert record["invocations"][0]["status"] & 0x7F == signal.SIGSEGV


def test_outputs_are_in_scratch_with_their_checksums_and_the_directory_is_removed(bench: Bench) -> None:
    record = bench.run(
        shell(
            "cat deep/in > out; cat out > a/b",
            inputs=[bench.stage("deep/in", "x\n")],
            outputs=[Output("out"), Output("a/b")],
        )
    )

    sha256 = hashlib.sha256(b"x\n").hexdigest()
    assert record["outputs"] == [
        {"lfn": "out", "size": 2, "sha256": sha256},
        {"lfn": "a/b", "size": 2, "sha256": sha256},
    ]
    assert record["checked"]["count"] == 1 and record["checked"]["failed"] == 0
    assert record["hashed"]["count"] == 2 and record["hashed"]["duration_s"] >= 0
    assert (bench.scratch / "a/b").read_text() == "x\n"
    assert not bench.files_left()


def test_a_task_sees_exactly_its_declared_inputs(bench: Bench) -> None:
    bench.stage("other", "no business of its")
    record = bench.run(shell("ls", inputs=[bench.stage("mine", "1")]))

    assert record["stdout"] == "mine\n"
    assert re.fullmatch(f"{bench.node_work}/job_ID1.1", record["cwd"])


def test_every_missing_output_is_listed_beside_the_exit_code(bench: Bench) -> None:
    record = bench.run(shell("echo > b; exit 1", outputs=[Output("a"), Output("b"), Output("c")]))

    assert kinds(record) == ["exit", "missing-output", "missing-output"]
    assert "'a'" in record["also"][0]["message"] and "'c'" in record["also"][1]["message"]
    assert not (bench.scratch / "b").exists(), "outputs of a failed attempt stay out of scratch"


def test_an_output_that_is_a_directory_is_an_error_that_names_it(bench: Bench) -> None:
    record = bench.run(shell("mkdir out", outputs=[Output("out")]))

    assert record["error"]["kind"] == "missing-output"
    assert "'out' of job 'job_ID1' is a directory" in record["error"]["message"]


def test_an_output_that_points_out_of_the_directory_is_refused(bench: Bench) -> None:
    record = bench.run(shell("ln -s /etc/passwd out; echo > real; ln -s real in", outputs=[Output("out")]))
    assert "symbolic link out of" in record["error"]["message"]

    assert bench.run(shell("echo 1 > real; ln -s real out", outputs=[Output("out"), Output("real")]))["ok"]
    assert (bench.scratch / "out").read_text() == (bench.scratch / "real").read_text() == "1\n"


def test_a_changed_input_is_caught_before_the_task_starts(bench: Bench) -> None:
    staged = bench.stage("in", "abc")
    (bench.scratch / "in").write_text("abd")
    record = bench.run(shell("touch ../../started", inputs=[staged]))

    assert record["error"]["kind"] == "checksum"
    for fact in ("'in'", str(staged.sha256), hashlib.sha256(b"abd").hexdigest()):
        assert fact in record["error"]["message"]
    assert "invocations" not in record and record["checked"]["failed"] == 1
    assert not (bench.work.parent / "started").exists()


def test_checksums_of_the_engine_are_verified_too(bench: Bench) -> None:
    bench.stage("in", "abc")
    record = bench.run(shell("true", inputs=[Input("in")]), checksums={"in": "0" * 64})

    assert record["error"]["kind"] == "checksum"


def test_a_missing_input_is_named(bench: Bench) -> None:
    record = bench.run(
        shell("true", inputs=[Input("gone"), Input("also/gone"), Input("maybe", optional=True)])
    )

    assert kinds(record) == ["missing-input", "missing-input"]
    assert "'gone'" in record["error"]["message"]


def test_a_task_may_change_its_copy_of_an_input(bench: Bench) -> None:
    record = bench.run(shell("echo more >> in", inputs=[bench.stage("in", "abc")]))

    assert record["ok"], record
    assert (bench.scratch / "in").read_text() == "abc"


def test_a_task_in_the_shared_directory_may_not_change_its_input(mounted: Bench) -> None:
    record = mounted.run(shell("echo more >> in", data="sharedfs", inputs=[mounted.stage("in", "abc")]))

    assert record["error"]["kind"] == "input-changed" and "'in'" in record["error"]["message"]


def test_in_the_shared_directory_old_outputs_are_removed_before_the_task_runs(mounted: Bench) -> None:
    (mounted.scratch / "out").write_text("of a failed attempt")
    record = mounted.run(shell("test ! -e out", data="sharedfs", outputs=[Output("out")]))

    assert kinds(record) == ["missing-output"]
    assert record["invocations"][0]["status"] == 0
    assert record["cwd"] == str(mounted.scratch)


def test_tasks_of_a_cluster_run_one_after_the_other_until_one_fails(bench: Bench) -> None:
    tasks = [PlannedTask(f"ID{n}", "sh", "/bin/sh", f"-c 'echo {n}; exit {int(n == 2)}'") for n in (1, 2, 3)]
    record = bench.run(compute(tasks))

    assert record["stdout"] == "1\n2\n"
    assert [invocation["task"] for invocation in record["invocations"]] == ["ID1", "ID2"]
    assert "'ID2'" in record["error"]["message"]


def test_tasks_of_a_cluster_run_at_once_on_the_cores_of_their_job(bench: Bench) -> None:
    """Each waits for the file of the other; the third comes after both."""
    script = "touch {0}; n=0; while [ ! -e {1} -a $n -lt 2000 ]; do sleep 0.01; n=$((n+1)); done; test -e {1}"
    tasks = [
        PlannedTask("a", "sh", "/bin/sh", f"-c '{script.format('a', 'b')}'"),
        PlannedTask("b", "sh", "/bin/sh", f"-c '{script.format('b', 'a')}'"),
        PlannedTask("c", "sh", "/bin/sh", "-c 'cat a b; echo $OWN'", after=["a", "b"], env={"OWN": "c"}),
    ]
    record = bench.run(compute(tasks, tasks_at_once=True, cores=2))

    assert record["ok"], record
    assert record["stdout"] == "c\n"
    assert [invocation["task"] for invocation in record["invocations"]][2] == "c"


def test_of_tasks_that_run_at_once_those_that_run_are_awaited_when_one_fails(bench: Bench) -> None:
    tasks = [
        PlannedTask("bad", "sh", "/bin/sh", "-c 'touch failed; exit 3'"),
        PlannedTask("long", "sh", "/bin/sh", "-c 'while [ ! -e failed ]; do sleep 0.01; done; sleep 0.1'"),
        *(PlannedTask(f"later{n}", "sh", "/bin/sh", "-c true", after=["long"]) for n in range(3)),
    ]
    record = bench.run(compute(tasks, tasks_at_once=True, cores=2))

    assert {one["task"]: one["status"] for one in record["invocations"]} == {"bad": 3 << 8, "long": 0}
    record = bench.run(compute(tasks, tasks_at_once=True, cores=2, keep_going=True, id="again"))
    assert len(record["invocations"]) == 5 and kinds(record) == ["exit"]


def test_streams_are_connected_to_files(bench: Bench) -> None:
    task = PlannedTask(
        "ID1", "sh", "/bin/sh", "-c 'cat; echo bad >&2'", stdin="in", stdout="d/out", stderr="err"
    )
    record = bench.run(
        compute([task], inputs=[bench.stage("in", "text\n")], outputs=[Output("d/out"), Output("err")])
    )

    assert record["ok"], record
    assert (bench.scratch / "d/out").read_text() == "text\n"
    assert (bench.scratch / "err").read_text() == "bad\n"
    assert "stdout" not in record


def test_arguments_are_words_and_no_shell_is_started(bench: Bench) -> None:
    arguments = "'%s\\n' \"a b\" $ANIMAL '$ANIMAL' * $(id) > x ${_PEGASUS_INITIAL_DIR}/f"
    task = PlannedTask("ID1", "printf", "/usr/bin/printf", arguments, env={"ANIMAL": "cat dog"})
    record = bench.run(compute([task]))

    *words, path = record["stdout"].splitlines()
    assert words == ["a b", "cat dog", "$ANIMAL", "*", "$(id)", ">", "x"]
    assert re.fullmatch(f"{bench.node_scratch}/f", path)


def test_a_quote_that_is_never_closed_is_an_error_with_its_place(bench: Bench) -> None:
    record = bench.run(compute([PlannedTask("ID1", "true", "/bin/true", "a 'b")]))

    assert record["error"]["kind"] == "arguments"
    assert "character 3" in record["error"]["message"]


def test_the_environment_has_the_run_and_the_task(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    task = PlannedTask("ID1", "env", "/usr/bin/env", env={"OWN": "1", "PEGASUS_SITE": "mine"})
    lines = bench.run(compute([task]))["stdout"].splitlines()

    assert {f"PEGASUS_WF_UUID={UUID}", "PEGASUS_WF_LABEL=flow", "PEGASUS_DAG_JOB_ID=job_ID1", "OWN=1"} <= set(
        lines
    )
    assert f"MARKAB_ATTEMPT={UUID}/job_ID1/1" in lines
    assert "PEGASUS_SITE=mine" in lines and "PEGASUS_SITE=local" not in lines


@pytest.mark.parametrize(
    ("program", "kind", "words"),
    [
        ("/no/such/program", "no-program", "does not exist"),
        ("/tmp", "not-executable", "is a directory"),
        ("/usr/lib/os-release", "not-executable", "is not executable"),
    ],
)
def test_a_program_that_cannot_be_started_is_named(bench: Bench, program: str, kind: str, words: str) -> None:
    record = bench.run(compute([PlannedTask("ID1", "it", program)]))

    assert record["error"]["kind"] == kind
    assert program in record["error"]["message"] and words in record["error"]["message"]
    assert record["invocations"][0]["status"] == -1


@pytest.mark.parametrize(
    ("first_line", "kind", "words"),
    [
        ("#!/no/such/interpreter", "no-program", "the interpreter '/no/such/interpreter'"),
        ("just text", "not-executable", "neither a binary for this machine nor a script"),
    ],
)
def test_a_script_that_nothing_can_run_is_explained(
    bench: Bench, first_line: str, kind: str, words: str
) -> None:
    staged = bench.stage("tool", first_line + "\n")
    staged.executable = True
    record = bench.run(compute([PlannedTask("ID1", "tool", "./tool")], inputs=[staged]))

    assert record["error"]["kind"] == kind
    assert words in record["error"]["message"]


def test_a_staged_executable_runs(bench: Bench) -> None:
    staged = bench.stage("bin/tool", "#!/bin/sh\necho I ran $1\n")
    staged.executable = True

    record = bench.run(compute([PlannedTask("ID1", "tool", "./bin/tool", "fast")], inputs=[staged]))

    assert record["stdout"] == "I ran fast\n"


def test_short_output_is_in_the_record_and_long_output_in_a_file(bench: Bench) -> None:
    record = bench.run(shell("seq 2000", id="job_ID9"))

    assert "stdout" not in record and "stdout_bytes" not in record
    assert record["stdout_file"] == "00/00/job_ID9.out.000"
    assert (bench.submit_dir / record["stdout_file"]).read_text().startswith("1\n2\n3\n")


def test_a_gigabyte_of_output_is_cut_in_the_middle(bench: Bench) -> None:
    record = bench.run(shell("echo first; head -c 1000000000 /dev/zero; echo last"))

    kept = (bench.submit_dir / record["stdout_file"]).read_bytes()
    assert record["ok"] and record["stdout_bytes"] == 1_000_000_011
    assert 256 * 1024 <= len(kept) < 257 * 1024
    assert kept.startswith(b"first\n") and kept.endswith(b"last\n") and b"bytes left out" in kept


def test_output_of_one_attempt_is_not_seen_in_the_next(bench: Bench) -> None:
    assert bench.run(shell("seq 3000"))["ok"]
    assert bench.run(shell("echo second"))["stdout"] == "second\n"
    assert "stdout" not in bench.run(shell("true"))


def test_a_task_may_close_its_stdout(bench: Bench) -> None:
    assert bench.run(shell("exec 1>&- 2>&-; exit 0"))["ok"]


def test_messages_decide_also_in_redirected_output(bench: Bench) -> None:
    good = shell("echo all is well", success_messages=["is well"], failure_messages=["ERROR"])
    assert bench.run(good)["ok"]

    record = bench.run(shell("echo an ERROR >&2", success_messages=["is well"], failure_messages=["ERROR"]))
    assert kinds(record) == ["failure-message", "success-message"]

    task = PlannedTask("ID1", "echo", "/bin/echo", "an ERROR", stdout="log")
    record = bench.run(compute([task], failure_messages=["ERROR"], outputs=[Output("log")]))
    assert kinds(record) == ["failure-message"]


def test_a_daemon_that_a_task_leaves_has_ended_when_the_task_has_succeeded(mounted: Bench) -> None:
    """It left the process group and the session, and its parent is dead."""
    pid_file = mounted.work.parent / "pid"
    record = mounted.run(
        shell(f"setsid sh -c 'echo $$ > {pid_file}; exec sleep 1000' & while [ ! -s {pid_file} ]; do :; done")
    )

    assert record["ok"], record
    pid = int(pid_file.read_text())
    wait_until(lambda: not is_alive(pid))


def test_a_daemon_of_a_task_that_still_runs_is_left_alone(mounted: Bench) -> None:
    pid_file, go = mounted.work.parent / "pid", mounted.work.parent / "go"
    script = (
        f"(setsid sh -c 'echo $$ > {pid_file}; exec sleep 1000' &) ; while [ ! -e {go} ]; do sleep 0.02; done"
    )
    long = mounted.attempt(shell(script, id="long"))
    mounted.executor.submit([long])
    pid = int(wait_for_line(pid_file))

    assert mounted.run(shell("true", id="short"))["ok"]
    assert is_alive(pid)
    go.touch()
    assert mounted.wait_all({long.id})[long.id]["ok"]
    wait_until(lambda: not is_alive(pid))


def run_until_ready(bench: Bench, make: Callable[[float], PlannedJob]) -> dict[str, Any]:
    """Run a job that is given so many seconds and prints "ready"; give it more on a machine that is too busy."""
    for seconds in (0.2, 1.0, 5.0, 25.0):
        record = bench.run(make(seconds))
        if record.get("stdout") == "ready\n":
            break
    return record


def test_a_task_over_its_wall_time_is_ended_even_if_it_ignores_sigterm(bench: Bench) -> None:
    script = 'trap "" TERM; echo ready; while :; do sleep 0.05; done'
    record = run_until_ready(bench, lambda seconds: shell(script, max_wall_s=seconds))

    assert kinds(record) == ["timeout", "signal"]
    assert "SIGKILL" in record["also"][0]["message"]
    assert "hint" not in record["also"][0], "we killed it: memory has nothing to do with it"
    assert record["invocations"][0]["duration_s"] >= bench.case.grace_s


def test_a_checkpoint_is_requested_and_kept_though_the_task_fails(bench: Bench) -> None:
    script = 'trap "echo half > state; exit 1" TERM; echo ready; while :; do sleep 0.02; done'
    outputs = [Output("state", checkpoint=True), Output("result")]
    record = run_until_ready(bench, lambda seconds: shell(script, checkpoint_s=seconds, outputs=outputs))

    assert not record["ok"]
    assert [output["lfn"] for output in record["outputs"]] == ["state"]
    assert record["outputs"][0]["checkpoint"] is True
    assert (bench.scratch / "state").read_text() == "half\n"

    again = shell(
        "cat state; echo all >> state; echo > result",
        inputs=[Input("state", optional=True)],
        outputs=[Output("state", checkpoint=True), Output("result")],
    )
    assert bench.run(again, checksums={"state": record["outputs"][0]["sha256"]})["stdout"] == "half\n"
    assert (bench.scratch / "state").read_text() == "half\nall\n"


def test_a_task_that_does_not_end_after_the_signal_for_its_checkpoint_is_killed_and_that_is_kept(
    bench: Bench,
) -> None:
    script = 'trap "echo half > state" TERM; echo ready; while :; do sleep 0.02; done'
    outputs = [Output("state", checkpoint=True)]
    record = run_until_ready(
        bench, lambda seconds: shell(script, checkpoint_s=seconds, checkpoint_grace_s=0.5, outputs=outputs)
    )

    assert kinds(record) == ["timeout", "signal"]
    assert "after the signal for its checkpoint" in record["error"]["message"]
    assert [output["lfn"] for output in record["outputs"]] == ["state"]


def test_a_cancelled_attempt_ends_and_is_recorded_as_cancelled(bench: Bench) -> None:
    polite = bench.attempt(shell("echo > started; exec sleep 1000", id="polite"))
    stubborn = bench.attempt(
        shell('trap "" TERM; echo > started; while :; do sleep 0.05; done', id="stubborn")
    )
    bench.executor.submit([polite, stubborn])

    def run_now() -> bool:
        assert all(report.seen in BEFORE_THE_END for report in bench.executor.wait(0.0))
        return bench.count_files("started") == 2

    wait_until(run_now)
    bench.executor.cancel([polite.id, stubborn.id])
    records = bench.wait_all({polite.id, stubborn.id})

    for record in records.values():
        assert kinds(record) == (["cancelled", "signal"] if bench.case.returns_cancelled else ["cancelled"])
    if bench.case.returns_cancelled:
        assert "SIGTERM" in records[polite.id]["also"][0]["message"]
        assert "SIGKILL" in records[stubborn.id]["also"][0]["message"]
    assert not bench.files_left()


def reports_only_the_next(bench: Bench) -> bool:
    """Submit another attempt; return whether it is the only one of which something is reported until it ends."""
    attempt = bench.attempt(shell("true"))
    bench.executor.submit([attempt])
    reports: list[Report] = []
    while Seen.ENDED not in [report.seen for report in reports]:
        reports += bench.executor.wait(1.0)
    return {report.id for report in reports} == {attempt.id}


def test_cancelling_what_has_ended_does_nothing(bench: Bench) -> None:
    attempt = bench.attempt(shell("true"))
    bench.executor.submit([attempt])
    bench.wait_all({attempt.id})

    bench.executor.cancel([attempt.id, AttemptId(UUID, 77, 1)])

    assert reports_only_the_next(bench)


def test_submitting_twice_starts_once(bench: Bench) -> None:
    log = bench.work.parent / "log"
    attempt = bench.attempt(shell(f"echo x >> {log}" if bench.case.is_mounted else "true"))
    bench.executor.submit([attempt, attempt])
    bench.wait_all({attempt.id})
    bench.executor.submit([attempt])

    assert reports_only_the_next(bench)
    assert not bench.case.is_mounted or log.read_text() == "x\n"


def test_a_descriptor_can_be_read_when_there_is_something_to_report(bench: Bench) -> None:
    bench.executor.submit([bench.attempt(shell("true"))])
    seen: list[Seen] = []
    while Seen.ENDED not in seen:
        while not (reports := bench.executor.wait(0.0)):
            (readable, _, _) = select.select([bench.executor.fileno()], [], [], PATIENCE_S)
            assert readable, "it had something to report and nothing to read"
        seen += [report.seen for report in reports]
    assert seen[-1] is Seen.ENDED and BEFORE_THE_END.issuperset(seen[:-1])


def test_an_attempt_of_another_run_is_another_attempt(bench: Bench) -> None:
    first = bench.attempt(shell("true"))
    second = msgspec.structs.replace(first, id=first.id._replace(run="another"))
    bench.executor.submit([first])
    bench.wait_all({first.id})
    bench.executor.submit([second])

    assert bench.wait_all({second.id})[second.id]["ok"]


def test_many_attempts_at_once_all_come_back(bench: Bench) -> None:
    count = 60 if bench.case.is_mounted else 20
    attempts = [
        bench.attempt(shell(f"echo {n} > o{n}", id=f"j{n}", outputs=[Output(f"o{n}")])) for n in range(count)
    ]
    bench.executor.submit(attempts)

    assert all(record["ok"] for record in bench.wait_all({attempt.id for attempt in attempts}).values())
    assert len(set(os.listdir(bench.scratch)) - {BATCHES}) == count


def test_thousands_of_files_are_left_out_and_cleared_away(bench: Bench) -> None:
    record = bench.run(shell("mkdir d; cd d; seq 3000 | xargs touch; chmod 555 ."))

    assert record["ok"]
    assert not bench.files_left()


def test_large_files_come_and_go_whole(bench: Bench) -> None:
    text = "0123456789abcdef" * (1 << 17)
    record = bench.run(shell("cat in in > out", inputs=[bench.stage("in", text)], outputs=[Output("out")]))

    assert record["outputs"][0]["sha256"] == hashlib.sha256((text * 2).encode()).hexdigest()


def test_a_disk_that_cannot_be_written_is_reported_without_a_traceback(mounted: Bench) -> None:
    mounted.work.rmdir()
    mounted.work.write_text("a file where the directory should be")
    record = mounted.run(shell("true"))

    assert record["error"]["kind"] == "storage"
    assert str(mounted.work) in record["error"]["message"]


def test_an_output_that_cannot_be_put_in_place_fails_the_attempt(bench: Bench) -> None:
    (bench.scratch / "out").mkdir()
    record = bench.run(shell("echo > out", outputs=[Output("out")]))

    assert record["error"]["kind"] == "storage"
    assert str(bench.scratch / "out") in record["error"]["message"]
    assert not bench.files_left()


def test_auxiliary_jobs_are_done(here: Bench, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("1,2\n")
    transfer = Transfer(
        "data", [Place("local", f"file://{tmp_path}/data")], [Place("local", f"{here.scratch}/data")]
    )
    assert here.run(PlannedJob("create_dir", Kind.CREATE_DIR, "local"))["ok"]

    record = here.run(PlannedJob("stage_in", Kind.STAGE_IN, "local", transfers=[transfer]))

    assert record["ok"], record
    assert record["transfers"][0]["bytes"] == 4
    assert (here.scratch / "data").read_text() == "1,2\n"
    assert here.run(PlannedJob("cleanup", Kind.CLEANUP, "local", removes=["data"]))["removed"] == 1


def test_what_is_recovered_is_lost_and_does_not_run_any_more(here: Bench) -> None:
    """An engine was killed together with its watchdog: only its task is left."""
    job = shell("true", id="orphan")
    attempt = here.attempt(job)
    directory = here.work / "orphan.1"
    directory.mkdir()
    marked = dict(os.environ, MARKAB_ATTEMPT=f"{UUID}/orphan/1")
    by_marker = subprocess.Popen(["sleep", "1000"], env=marked, start_new_session=True)
    unmarked = subprocess.Popen(["sleep", "1000"], env={}, cwd=directory, stdin=subprocess.DEVNULL)
    other = subprocess.Popen(["sleep", "1000"], env={"MARKAB_ATTEMPT": "another-run/orphan/1"}, cwd=directory)
    try:
        (report,) = here.executor.recover([attempt])

        assert report.seen is Seen.LOST and report.id == attempt.id
        assert by_marker.wait(5) == -signal.SIGKILL
        assert other.poll() is None and unmarked.poll() is None, "it may be the user's"
        assert not directory.exists()
    finally:
        for process in (other, unmarked):
            process.kill()
            process.wait()


def test_close_ends_what_runs(here: Bench) -> None:
    pid_file = here.work.parent / "pid"
    here.executor.submit([here.attempt(shell(f"echo $$ > {pid_file}; exec sleep 1000"))])
    pid = int(wait_for_line(pid_file))
    here.executor.close()
    here.executor.close()

    assert not is_alive(pid)
    assert os.listdir(here.work) == []


ENGINE = """
import sys
from contract.test_executors import *
here = Bench(Path(sys.argv[1]), EXECUTORS[sys.argv[2]])
pid = "{}/pid".format(sys.argv[1])
scripts = ["echo $$ > %s.1; exec sleep 1000", "echo $$ > %s.2; exec env -i sleep 1000",
           "setsid sh -c 'echo $$ > %s.3; exec sleep 1000'; true", "trap '' TERM; echo $$ > %s.4; while :; do sleep 1; done",
           "(cd /; setsid env -i sh -c 'echo $$ > %s.5; exec sleep 1000' &) ; sleep 1000"]
here.executor.submit([here.attempt(shell(s % pid, id="j%d" % n)) for n, s in enumerate(scripts)])
while True:
    here.executor.wait(10.0)
"""


@pytest.mark.parametrize("name", sorted(name for name, case in EXECUTORS.items() if case.is_here))
def test_a_killed_engine_leaves_no_orphan(name: str, tmp_path: Path) -> None:
    tests = Path(__file__).parents[1]
    paths = os.pathsep.join([str(tests), *[path for path in sys.path if path]])
    engine = subprocess.Popen(
        [sys.executable, "-c", ENGINE, str(tmp_path), name], env=dict(os.environ, PYTHONPATH=paths)
    )
    pids = [int(wait_for_line(tmp_path / f"pid.{n}")) for n in (1, 2, 3, 4, 5)]
    assert all(is_alive(pid) for pid in pids)
    engine.kill()
    engine.wait()

    wait_until(lambda: not any(is_alive(pid) for pid in pids))


def test_in_the_shared_directory_inputs_and_checkpoints_stay(mounted: Bench) -> None:
    (mounted.scratch / "state").write_text("half")
    outputs = [Output("out"), Output("state", checkpoint=True), Output("never", checkpoint=True)]
    record = mounted.run(
        shell("cat in state > out", data="sharedfs", inputs=[mounted.stage("in", "abc")], outputs=outputs)
    )

    assert record["ok"], record
    assert (mounted.scratch / "out").read_text() == "abchalf"
    assert record["outputs"][0]["sha256"] == hashlib.sha256(b"abchalf").hexdigest()


def test_stdout_and_stderr_may_go_to_one_file(bench: Bench) -> None:
    task = PlannedTask("ID1", "sh", "/bin/sh", "-c 'echo a; echo b >&2; echo c'", stdout="log", stderr="log")

    assert bench.run(compute([task], outputs=[Output("log")]))["ok"]
    assert (bench.scratch / "log").read_text() == "a\nb\nc\n"


# -- a node that does not see the submit host ------------------------------------------------------


def test_a_job_of_the_shared_directory_is_refused_by_a_node_without_it(apart: Bench) -> None:
    record = apart.run(shell("true", data="sharedfs"))

    assert record["error"]["kind"] == "internal"
    assert "is not mounted at site 'local'" in record["error"]["message"]


def test_a_node_apart_sees_no_file_of_the_submit_host(apart: Bench) -> None:
    apart.stage("secret", "1")
    record = apart.run(shell(f"ls {apart.scratch} {apart.submit_dir} {Path.home()}; ls /job; id -u"))

    assert record["stderr"].count("No such file") == 3
    assert "secret" not in record["stdout"]
    if os.geteuid() == 0:
        assert record["stdout"].endswith(f"\n{walled_node.NOBODY}\n")


# -- what was handed over outlives the engine ------------------------------------------------------


def test_another_engine_finds_what_waits_and_runs_and_has_ended(elsewhere: Bench, tmp_path: Path) -> None:
    inputs = [elsewhere.stage("in", "1\n")]
    job = shell("cat in > out", inputs=inputs, outputs=[Output("out")])
    attempts = [elsewhere.attempt(job), elsewhere.attempt(job)]
    elsewhere.executor.submit(attempts[:1])
    elsewhere.executor.close()
    elsewhere.executor = elsewhere.case.make(elsewhere.top)
    reports = {report.id: report.seen for report in elsewhere.executor.recover(attempts)}

    assert reports[attempts[0].id] in {*BEFORE_THE_END, Seen.ENDED}
    assert reports[attempts[1].id] is Seen.LOST
    elsewhere.executor.submit(attempts[:1])
    assert elsewhere.wait_all({attempts[0].id})[attempts[0].id]["ok"]
    elsewhere.executor.close()

    elsewhere.executor = elsewhere.case.make(elsewhere.top)
    (report,) = elsewhere.executor.recover(attempts[:1])
    assert report.seen is Seen.ENDED, "the end was reported, and the engine did not confirm it"
    assert report.record is not None and report.record["ok"]
    assert (elsewhere.scratch / "out").read_text() == "1\n"


# --- whatever a task leaves in its directory ---


@pytest.mark.parametrize(
    "replace",
    ['ln -s {top}/precious "$d"', 'mkfifo "$d"', 'echo > "$d"', "true"],
    ids=["link", "fifo", "file", "nothing"],
)
def test_a_task_that_replaces_its_directory_ends_and_removes_nothing_else(bench: Bench, replace: str) -> None:
    precious = bench.top / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    record = bench.run(shell(f'd=$PWD; cd /; rm -rf "$d"; {replace.format(top=bench.top)}'))

    assert record["ok"], record
    assert os.listdir(precious) == ["file"] and not bench.files_left()


def test_an_output_in_a_directory_that_became_a_link_is_refused_and_its_file_stays(mounted: Bench) -> None:
    (mounted.top / "data").mkdir()
    (mounted.top / "data/out").write_text("mine")
    record = mounted.run(shell(f"rmdir a; ln -s {mounted.top}/data a", outputs=[Output("a/out")]))

    assert record["error"]["kind"] == "missing-output"
    assert "symbolic link out of the job's directory" in record["error"]["message"]
    assert (mounted.top / "data/out").read_text() == "mine" and not (mounted.scratch / "a/out").exists()


def test_an_output_behind_a_link_to_a_directory_of_the_job_is_kept(bench: Bench) -> None:
    record = bench.run(
        shell("rmdir a; mkdir real; ln -s real a; echo 1 > real/out", outputs=[Output("a/out")])
    )

    assert record["ok"], record
    assert (bench.scratch / "a/out").read_text() == "1\n"


@pytest.mark.parametrize("make", ["mkfifo out", "mknod out c 1 3 || mkfifo out"], ids=["fifo", "device"])
def test_an_output_that_is_no_file_blocks_nothing(bench: Bench, make: str) -> None:
    record = bench.run(shell(make, outputs=[Output("out")]))

    assert record["error"]["kind"] == "missing-output" and "no regular file" in record["error"]["message"]


def test_a_stream_does_not_go_through_a_link_that_an_earlier_task_left(mounted: Bench) -> None:
    (mounted.top / "precious").write_text("mine")
    tasks = [
        PlannedTask("ID1", "ln", "/bin/ln", f"-s {mounted.top}/precious out"),
        PlannedTask("ID2", "echo", "/bin/echo", "overwritten", stdout="out"),
    ]
    record = mounted.run(compute(tasks, outputs=[Output("out")]))

    assert record["error"]["kind"] == "storage" and "cannot be connected to" in record["error"]["message"]
    assert (mounted.top / "precious").read_text() == "mine"


def test_directories_of_any_depth_are_removed(bench: Bench) -> None:
    record = bench.run(shell("i=0; while [ $i -lt 1500 ]; do mkdir d; cd d; i=$((i+1)); done"))

    assert record["ok"] and not any(bench.work.iterdir())


def test_a_directory_is_not_used_again_while_a_process_may_be_at_work_there(here: Bench) -> None:
    """A daemon with a clean environment lives as long as any task that ran when it was started."""
    other = here.attempt(shell("exec sleep 1000", id="other"))
    here.executor.submit([other])
    daemon = 'env -i setsid /bin/sh -c "echo > ready; exec sleep 1000" > /dev/null 2>&1 < /dev/null &'
    first = here.run(shell(f"stat -c %i .; {daemon} while [ ! -e ready ]; do sleep 0.01; done; rm ready"))
    inodes = {here.run(shell("stat -c %i .", id=f"later{n}"))["stdout"] for n in range(3)}

    assert first["ok"] and first["stdout"] not in inodes
    here.executor.cancel([other.id])
    here.wait_all({other.id})


# --- its last words ---


def test_what_a_failed_task_sent_to_a_declared_file_is_in_the_record(bench: Bench) -> None:
    task = PlannedTask(
        "ID1", "sh", "/bin/sh", "-c 'echo no such gene >&2; echo half; exit 3'", stdout="o", stderr="e"
    )
    record = bench.run(compute([task], outputs=[Output("o"), Output("e")]))

    assert (record["stdout"], record["stderr"]) == ("half\n", "no such gene\n")
    assert not (bench.scratch / "e").exists(), "a failed attempt delivers nothing"


def test_the_ends_of_declared_logs_of_a_failed_task_are_in_the_record(bench: Bench) -> None:
    script = (
        "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done > a/run.log; echo x > data; exit 1"
    )
    record = bench.run(shell(script, outputs=[Output("a/run.log"), Output("data"), Output("never.log")]))

    (log,) = record["logs"]
    assert (
        log["lfn"] == "a/run.log" and log["text"].endswith("line 1999\n") and log["bytes"] > len(log["text"])
    )
    assert "logs" not in bench.run(shell("echo > x.log", outputs=[Output("x.log")]))


def test_files_that_a_task_made_and_did_not_declare_are_named(bench: Bench) -> None:
    script = "touch out result.csv; mkdir tmp; touch tmp/a"
    assert bench.run(shell(script, outputs=[Output("out")]))["undeclared"] == ["result.csv", "tmp"]
    record = bench.run(shell(script, inputs=[bench.stage("in", "1")], outputs=[Output("results.csv")]))

    assert record["error"]["hint"].endswith("it wrote 'out', 'result.csv', 'tmp'")
    assert "undeclared" not in bench.run(shell("touch out", outputs=[Output("out")]))
    linked = "mkdir d; touch d/real; ln -s d/real out"
    assert "undeclared" not in bench.run(shell(linked, outputs=[Output("out")])), "it is the output itself"


def test_the_directory_of_a_failed_attempt_is_kept_until_the_next_one(here: Bench) -> None:
    here.context = replace(here.context, keep_failed=True)
    job = shell("echo clue > found; exit $(cat in)", inputs=[here.stage("in", "3")])

    record = here.run(job)
    kept = Path(record["cwd"])
    assert record["kept"] is True and (kept / "found").read_text() == "clue\n"
    again = here.run(job, 2)
    assert not kept.exists() and Path(again["cwd"], "found").exists() and again["cwd"] != str(kept)
    job = shell("true")
    job.id = record["cwd"].rpartition("/")[2].rpartition(".")[0]
    assert "kept" not in here.run(job, 3) and here.files_left() == []


def test_a_cancelled_attempt_is_not_kept(here: Bench) -> None:
    here.context = replace(here.context, keep_failed=True)
    attempt = here.attempt(shell("echo > f; sleep 100"))
    here.executor.submit([attempt])
    here.executor.cancel([attempt.id])

    record = here.wait_all({attempt.id})[attempt.id]
    assert record["error"]["kind"] == "cancelled" and "kept" not in record and here.files_left() == []


def test_nothing_is_kept_on_another_machine(elsewhere: Bench) -> None:
    elsewhere.context = replace(elsewhere.context, keep_failed=True)

    assert "kept" not in elsewhere.run(shell("echo > f; exit 3"))


def test_a_task_has_its_own_place_in_its_environment_and_not_that_of_its_starter(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLDPWD", "/before")
    monkeypatch.setenv("LONG", "x" * 5000)  # so that what is printed is too long for a record
    record = bench.run(compute([PlannedTask("ID1", "env", "/usr/bin/env")]))
    assert record["ok"], record
    printed = captured(record, "stdout", bench.submit_dir)
    names = dict(line.split("=", 1) for line in printed.splitlines() if "=" in line)

    assert names["PWD"] == record["cwd"] and "OLDPWD" not in names


def test_times_of_files_are_kept_on_the_way_into_a_directory(bench: Bench) -> None:
    staged = bench.stage("in", "1")
    os.utime(bench.scratch / "in", (10**9, 10**9))
    record = bench.run(shell("stat -c %Y in", inputs=[staged]))

    assert record["stdout"] == f"{10**9}\n"
