"""The process that runs the hooks of a run."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kit.made_run import began, compute, end, ended, failed, make_run, start, write_journal
from kit.waiting import wait_until
from markab.hooks.hook_log import read_hook_results
from markab.hooks.hook_queue import HookQueue
from markab.hooks.hook_runner import COMMAND, HookRunner, running_hooks
from markab.journal.records import Entry
from markab.plan.model import Hook, RunHooks

STORY: list[Entry] = [began(), start(0), failed(0), start(0, 2), end(0, 2), ended("success")]


def run(directory: Path, *entries: Entry, at_once: int = 10, limit_s: float = 0, cmd: str = "") -> Path:
    """Make a run of which each event of the workflow and of its job appends a line to `told`."""
    words = ["sh", "-c", cmd or 'echo "$PEGASUS_JOBID $PEGASUS_EVENT $MARKAB_ATTEMPT" >> told']
    of_workflow, of_job = Hook("all", words), [Hook("all", words, "a"), Hook("error", words, "a")]
    hooks = RunHooks([of_workflow], at_once, limit_s)
    return make_run(directory / "run", [compute("a", hooks=of_job)], entries, hooks=hooks)


def told(submit_dir: Path) -> list[str]:
    file = submit_dir / "told"
    return sorted(file.read_text().splitlines()) if file.exists() else []


ALL = sorted(
    ["7a3c start ", "7a3c at_end ", "j0 start 1", "j0 at_end 1", "j0 on_error 1", "j0 start 2", "j0 at_end 2"]
)


def work(submit_dir: Path) -> HookQueue:
    """Run all hooks that the journal asks for."""
    queue = HookQueue(submit_dir, os.environ)
    wait_until(lambda: queue.turn() and queue.is_idle)
    return queue


def test_each_event_runs_its_hooks_once_however_often_it_is_read(tmp_path: Path) -> None:
    submit_dir = run(tmp_path, *STORY[:4])
    work(submit_dir)
    write_journal(submit_dir, STORY)
    work(submit_dir)
    work(submit_dir)

    assert told(submit_dir) == ALL
    assert {0} == {result.status for result in read_hook_results(submit_dir)}


def test_no_more_hooks_run_at_once_than_allowed(tmp_path: Path) -> None:
    count = "mkdir busy || echo two >> told; sleep 0.02; rmdir busy; echo one >> told"
    submit_dir = run(tmp_path, *STORY, at_once=1, cmd=count)
    work(submit_dir)

    assert ["one"] * 7 == told(submit_dir)


def test_a_run_without_hooks_starts_no_process(tmp_path: Path) -> None:
    make_run(tmp_path / "run", [compute("a")])

    for place in (tmp_path / "run", tmp_path / "none"):
        with running_hooks(place) as runner:
            assert runner is None


def test_a_hook_that_hangs_holds_nobody_up_and_ends_at_its_limit(tmp_path: Path) -> None:
    submit_dir = run(tmp_path, *STORY[:1], limit_s=1, cmd="exec sleep 1000")
    runner = HookRunner(submit_dir)
    wait_until(lambda: read_hook_results(submit_dir))
    began_s = time.monotonic()
    runner.release()
    runner.finish(patience_s=0.01)
    assert time.monotonic() - began_s < 1

    assert runner._child is not None
    assert 0 == runner._child.wait(60)
    (result,) = read_hook_results(submit_dir)
    assert (result.status, result.why) == (-signal.SIGTERM, "it took more than 1 s, and was ended")


def test_hooks_that_are_left_run_after_the_engine_has_ended(tmp_path: Path) -> None:
    submit_dir = run(tmp_path, *STORY)
    with running_hooks(submit_dir) as runner:
        assert runner is not None
    runner.finish(patience_s=60)

    assert told(submit_dir) == ALL and not runner.warnings


def test_a_process_that_was_killed_during_the_run_is_started_again_at_its_end(tmp_path: Path) -> None:
    submit_dir = run(tmp_path, *STORY)
    with running_hooks(submit_dir) as runner:
        assert runner is not None and runner._child is not None
        runner._child.kill()
        runner._child.wait()
    runner.finish(patience_s=60)

    assert told(submit_dir) == ALL


@pytest.mark.parametrize("after", [1, 3, 6])
def test_killed_at_any_hook_it_goes_on_and_runs_none_twice(tmp_path: Path, after: int) -> None:
    submit_dir = run(tmp_path, *STORY, at_once=1)
    child = subprocess.Popen([*COMMAND, str(submit_dir)], stdin=subprocess.PIPE)
    wait_until(lambda: len(read_hook_results(submit_dir)) >= after)
    child.kill()
    child.communicate()
    work(submit_dir)

    lines = told(submit_dir)
    unseen = [result for result in read_hook_results(submit_dir) if result.status is None]
    assert len(unseen) <= 1 and len(lines) >= len(ALL) - 1
    assert len(lines) == len(set(lines)) and set(lines) <= set(ALL)


def test_a_run_that_is_deleted_meanwhile_ends_it_quietly(tmp_path: Path) -> None:
    submit_dir = run(tmp_path, *STORY[:1], cmd="sleep 0.1")
    child = subprocess.Popen([*COMMAND, str(submit_dir)], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(lambda: read_hook_results(submit_dir))
    submit_dir.rename(tmp_path / "gone")

    assert (b"", b"") == (child.communicate()[1], b"")
    assert child.returncode == 0


def test_hooks_find_the_program_markab(tmp_path: Path) -> None:
    submit_dir = run(tmp_path, *STORY[:1], cmd='echo "$PATH" >> told')
    runner = HookRunner(submit_dir)
    runner.finish(patience_s=60)

    assert told(submit_dir)[0].endswith(os.path.dirname(sys.executable))


def test_who_reads_what_a_run_prints_waits_for_no_hook(tmp_path: Path) -> None:
    submit_dir = run(tmp_path, *STORY, cmd="echo $$ > pid.tmp; mv pid.tmp pid; exec sleep 600")
    child = subprocess.Popen([*COMMAND, str(submit_dir)], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdin is not None and child.stderr is not None
    wait_until((submit_dir / "pid").exists)

    child.stdin.close()
    readable, _, _ = select.select([child.stderr], [], [], 60)

    is_at_its_end = bool(readable) and child.stderr.read(1) == b""
    assert child.poll() is None, "the hook goes on"
    for line in Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split():
        os.kill(int(line), signal.SIGKILL)
    child.kill()
    child.wait()
    child.stderr.close()
    assert is_at_its_end, "a process that goes on holds it open"
