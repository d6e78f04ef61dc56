"""What the engine learns from its follower: whether it may start jobs, and why not. The children here only pretend."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kit.waiting import wait_until
from markab.plan.braindump import write_braindump
from markab.provenance import follower as follower_module
from markab.provenance.database_location import EVENTS
from markab.provenance.follower import PROBE_FIRST, FollowerProcess

ALIVE = "; sys.stdin.read()"


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., FollowerProcess]]:
    """Return a function that starts a follower whose child runs some Python; `starts` has a line for each child."""
    monkeypatch.setattr(follower_module, "AFTER_ERROR_S", 0.2)
    made = []

    def make(code: str, probe_first: bool = False, submit_dir: Path = tmp_path) -> FollowerProcess:
        begin = f"import os, sys; print(os.getpid(), *sys.argv[2:], file=open({str(tmp_path / 'starts')!r}, 'a')); "
        say = "say = lambda text: os.write(1, text.encode() + b'\\n'); "
        made.append(
            FollowerProcess(
                submit_dir, (sys.executable, "-S", "-c", begin + say + code), probe_first=probe_first
            )
        )
        return made[-1]

    yield make
    for follower in made:
        follower.finish(10)
    assert not [child for child in follower_module._unfinished if child.poll() is None]


def starts(tmp_path: Path) -> list[str]:
    try:
        return (tmp_path / "starts").read_text().splitlines()
    except FileNotFoundError:
        return []


def wait_for_file(path: Path) -> str:
    """Python that waits until a file exists."""
    return f"\nimport time\nwhile not os.path.exists({str(path)!r}): time.sleep(0.01)\n"


def test_jobs_may_start_before_the_first_message(make: Callable[..., FollowerProcess]) -> None:
    assert make("pass" + ALIVE).may_start


def test_jobs_wait_for_the_first_word_when_the_database_is_asked_first(
    make: Callable[..., FollowerProcess], tmp_path: Path
) -> None:
    follower = make(f"{wait_for_file(tmp_path / 'go')}say('ready'){ALIVE}", probe_first=True)
    assert not follower.may_start and not follower.error
    (tmp_path / "go").touch()
    wait_until(lambda: follower.may_start)
    assert starts(tmp_path)[0].endswith(f" {PROBE_FIRST}")


def test_a_database_that_does_not_answer_is_reported_after_a_while(
    make: Callable[..., FollowerProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower_module, "ANSWER_S", 0.0)
    follower = make("pass" + ALIVE, probe_first=True)
    assert "has not answered yet" in follower.error and not follower.may_start


def test_an_error_lasts_until_a_pass_succeeds(make: Callable[..., FollowerProcess], tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    follower = make(f"say('error no room left'){wait_for_file(go_on)}say('current'); sys.stdin.read()")
    wait_until(lambda: follower.error)
    assert follower.error == "no room left" and not follower.may_start
    go_on.touch()
    wait_until(lambda: follower.may_start)
    assert follower.error == "" and follower.warnings == []


def test_a_warning_stops_nothing(make: Callable[..., FollowerProcess]) -> None:
    follower = make("say('warning no list'); say('warning no list'); say('current')" + ALIVE)
    wait_until(lambda: follower.warnings)
    assert follower.warnings == ["no list"] and follower.may_start


def test_a_line_that_comes_in_pieces_is_one_line(
    make: Callable[..., FollowerProcess], tmp_path: Path
) -> None:
    code = f"os.write(1, b'error no ro')\n{wait_for_file(tmp_path / 'go')}os.write(1, b'om\\n')"
    follower = make(code + ALIVE)
    wait_until(lambda: not follower.error and follower._rest)
    (tmp_path / "go").touch()
    wait_until(lambda: follower.error)
    assert follower.error == "no room"


def test_one_that_is_killed_is_started_again_and_no_job_waits_for_that(
    make: Callable[..., FollowerProcess], tmp_path: Path
) -> None:
    follower = make("say('current')" + ALIVE)
    wait_until(lambda: starts(tmp_path))
    os.kill(int(starts(tmp_path)[0]), signal.SIGKILL)
    wait_until(lambda: follower.warnings)
    assert follower.may_start
    wait_until(lambda: len(starts(tmp_path)) == 2)
    assert follower.may_start and not follower.error
    (warning,) = follower.warnings
    assert "was killed by signal 9" in warning and "restarted" in warning


def test_a_follower_that_ends_now_and_then_after_successful_passes_is_no_error(
    make: Callable[..., FollowerProcess], tmp_path: Path
) -> None:
    follower = make("say('current'); sys.exit(3)")
    wait_until(lambda: not follower.may_start or len(starts(tmp_path)) > 5)
    assert follower.may_start and len(follower.warnings) == 1


def test_a_follower_that_repeatedly_ends_before_its_pass_is_done_is_an_error(
    make: Callable[..., FollowerProcess], tmp_path: Path
) -> None:
    follower = make("raise ValueError('a bug')")
    wait_until(lambda: follower.error)
    assert not follower.may_start
    assert "ends again and again" in follower.error
    assert "ended with exit code 1 (ValueError: a bug)" in follower.error
    known = len(starts(tmp_path))
    wait_until(lambda: follower.error and len(starts(tmp_path)) > known)


def test_it_is_started_again_after_pauses_that_grow(
    make: Callable[..., FollowerProcess], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower_module, "AFTER_ERROR_S", 10.0)
    follower = make("sys.exit(3)")
    wait_until(lambda: follower.error)
    now_s = time.monotonic()
    pauses = []
    for deaths in range(2, 7):
        assert follower._failures == deaths
        pauses.append(round((follower._restart_s - now_s) / 10))
        follower._restart_s = now_s
        wait_until(lambda: follower.error and follower._failures > deaths)  # noqa: B023
        now_s = time.monotonic()
    assert pauses == [1, 2, 4, 6, 6]


def test_a_successful_pass_ends_the_error_of_a_follower_that_ended(
    make: Callable[..., FollowerProcess], tmp_path: Path
) -> None:
    code = f"count = len(open({str(tmp_path / 'starts')!r}).readlines()); count < 4 and sys.exit(3); say('current')"
    follower = make(code + ALIVE)
    wait_until(lambda: follower.error)
    wait_until(lambda: follower.may_start)
    assert len(starts(tmp_path)) == 4


def test_one_that_has_nothing_to_follow_is_not_started_again(
    make: Callable[..., FollowerProcess], tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    follower = make(f"os.rmdir({str(tmp_path / 'run')!r})", submit_dir=tmp_path / "run")
    wait_until(lambda: starts(tmp_path) and follower.may_start and follower._child is None)
    assert follower.may_start and follower.warnings == [] and len(starts(tmp_path)) == 1


@pytest.mark.parametrize("probe_first", [False, True])
def test_a_follower_that_exits_during_a_run_is_started_again_and_an_error_if_it_does_not_stay(
    make: Callable[..., FollowerProcess], tmp_path: Path, probe_first: bool
) -> None:
    code = f"count = len(open({str(tmp_path / 'starts')!r}).readlines()); count < 4 and sys.exit(0); say('current')"
    follower = make(code + ALIVE, probe_first=probe_first)
    wait_until(lambda: follower.error)
    assert not follower.may_start and "ends again and again: it ended with exit code 0" in follower.error
    wait_until(lambda: follower.may_start)
    assert len(starts(tmp_path)) == 4 and not follower.error


def without_database(submit_dir: Path) -> None:
    write_braindump(submit_dir / "braindump.yml", {"properties": "run.properties"})
    (submit_dir / "run.properties").write_text("pegasus.monitord.events = false\n")


def test_a_run_without_a_database_does_not_wait_for_a_follower_that_repeatedly_ends(
    make: Callable[..., FollowerProcess], tmp_path: Path
) -> None:
    without_database(tmp_path)
    follower = make("raise ValueError('a bug')")
    wait_until(lambda: len(starts(tmp_path)) > 3 or not follower.may_start)
    assert follower.may_start and not follower.error
    assert "jobstate.log ends again and again" in follower.warnings[-1]
    assert "(ValueError: a bug)" in follower.warnings[-1]


def test_a_run_that_is_held_goes_on_when_its_user_does_without_a_database(
    make: Callable[..., FollowerProcess], tmp_path: Path
) -> None:
    follower = make("raise ValueError('a bug')", probe_first=True)
    wait_until(lambda: follower.error)
    assert not follower.may_start and f"{EVENTS} = false" in follower.error
    without_database(tmp_path)
    wait_until(lambda: follower.may_start)
    assert not follower.error


def test_one_that_cannot_be_started_holds_a_run_until_its_user_does_without_a_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower_module, "AFTER_ERROR_S", 0.05)
    follower = FollowerProcess(tmp_path, ("/nonexistent/python",), probe_first=True)
    assert not follower.may_start and "cannot be started" in follower.error
    without_database(tmp_path)
    wait_until(lambda: follower.may_start)
    assert not follower.error and "cannot be started" in follower.warnings[-1]


def test_one_that_does_nothing_for_long_is_killed_and_started_again_and_jobs_wait_meanwhile(
    make: Callable[..., FollowerProcess], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower_module, "HANG_S", 0.3)
    code = f"count = len(open({str(tmp_path / 'starts')!r}).readlines()); count > 1 and say('current')"
    go_on = wait_for_file(tmp_path / "go").replace("0.01", "0.001")
    follower = make(
        code + "\nif count < 2: os.kill(os.getpid(), 19)" + go_on + "say('current')\nsys.stdin.read()"
    )
    wait_until(lambda: follower.error)
    assert not follower.may_start and "hangs: it did nothing for" in follower.error
    (tmp_path / "go").touch()
    wait_until(lambda: follower.may_start)
    assert len(starts(tmp_path)) >= 2 and "was killed by signal 9" in follower.warnings[-1]


def test_one_that_says_nothing_for_long_and_works_is_left_alone(
    make: Callable[..., FollowerProcess], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []

    def works(pid: int) -> float:
        seen.append(float(len(seen)))
        return seen[-1]

    monkeypatch.setattr(follower_module, "HANG_S", 0.0)
    monkeypatch.setattr(follower_module, "processor_time_s", works)
    follower = make("pass" + ALIVE)
    wait_until(lambda: len(seen) > 20 or not follower.may_start)
    assert follower.may_start and follower.warnings == []


def test_one_that_is_stopped_at_the_end_of_the_run_still_does_its_last_pass(
    make: Callable[..., FollowerProcess], tmp_path: Path
) -> None:
    follower = make("os.kill(os.getpid(), 19); sys.stdin.read(); say('error no room')")
    wait_until(lambda: starts(tmp_path))
    state = Path(f"/proc/{starts(tmp_path)[0].split()[0]}/stat")
    wait_until(lambda: state.read_text().rpartition(")")[2].split()[0] == "T")
    follower.finish(10)
    assert follower.error == "no room"


def test_after_the_run_nothing_is_started_again(make: Callable[..., FollowerProcess], tmp_path: Path) -> None:
    follower = make("sys.stdin.read(); say('error no room'); sys.exit(3)")
    wait_until(lambda: starts(tmp_path))
    follower.release()
    wait_until(lambda: follower._child is None or not follower.may_start)
    follower.finish(10)
    assert follower.error == "no room", "the last pass is heard"
    assert follower.warnings == [] and len(starts(tmp_path)) == 1


def test_a_database_that_goes_in_a_long_pause_is_noticed_and_the_next_pass_is_due(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits, reported = [], []
    monkeypatch.setattr(follower_module, "_closed_within", waits.append)
    monkeypatch.setattr(follower_module, "_report", lambda *words: reported.append(words))
    answers = iter(["", "", "it has gone"])

    assert not follower_module._pause(100.0, lambda: next(answers))
    assert reported == [("waiting",), ("waiting",), ("error", "it has gone")]
    assert waits == [follower_module.PROBE_EVERY_S] * 3 + [follower_module.AFTER_ERROR_S]


def test_a_pause_is_as_long_as_it_should_be_and_ends_with_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(follower_module, "_closed_within", waits.append)
    assert not follower_module._pause(12.0, lambda: "")
    assert waits == [5.0, 5.0, 2.0]

    monkeypatch.setattr(follower_module, "_closed_within", lambda seconds: True)
    assert follower_module._pause(12.0, lambda: "no request")


def test_looking_costs_microseconds(make: Callable[..., FollowerProcess]) -> None:
    follower = make("pass" + ALIVE)
    began_s = time.process_time()
    for _ in range(10_000):
        follower.may_start  # noqa: B018
    assert time.process_time() - began_s < 0.5


def test_a_follower_of_what_is_no_run_ends_with_the_reason_and_of_what_is_gone_without_one(
    tmp_path: Path,
) -> None:
    with pytest.raises(SystemExit, match="is not a submit directory"):
        follower_module.main([str(tmp_path), PROBE_FIRST])

    follower_module.main([str(tmp_path / "removed"), PROBE_FIRST])
