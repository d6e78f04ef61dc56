"""Jobs that do to their surroundings what they can, side by side with jobs that work.

Whatever they do, the run ends, the others deliver, nothing of the user's is changed, no process is left,
and every command still answers. A deed that ends in a right output is no failure; anything else is told.
"""

from __future__ import annotations

import ast
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from faults.figures import FIGURES
from faults.victim import DATA, INPUTS, JOBS, Victim, check_text, expected_results, files_below, snapshot
from integration.tools import job_line
from kit.waiting import wait_until

TASK = Path(__file__).parent / "hostile_task.py"
DEEDS = tuple(
    part.name
    for part in ast.parse(TASK.read_text()).body
    if isinstance(part, ast.FunctionDef) and part.name != "make"
)
AT_FIRST = (
    "remove_its_directory",
    "make_a_fifo",
    "end_its_group",
    "leave_daemons_with_an_empty_environment",
    "leave_odd_names",
)
"""The deeds of the short form."""
ALWAYS_FAIL = {
    "remove_its_directory",   "put_a_fifo_in_place_of_its_directory",
    "make_a_fifo", "make_a_socket", "make_a_device", "make_a_directory", "make_a_link_to_an_endless_device",
    "make_a_link_to_itself", "make_a_link_to_something_of_the_user", "end_its_group", "crash", "exit_with_everything_wrong",
}  # fmt: skip
ITS_WHOLE_DIRECTORY = {
    "remove_its_directory", "move_its_directory", "put_a_link_in_place_of_its_directory",
    "put_a_fifo_in_place_of_its_directory", "take_all_permissions_away",
}  # fmt: skip
"""Where jobs share one directory, as they asked to, nothing protects one from these deeds of another."""
NEVER_FAIL = {
    "ignore_all_signals", "close_all_streams", "print_a_gigabyte_without_a_newline", "print_a_terabyte_of_nothing",
    "print_byte_by_byte", "print_escape_sequences", "cut_what_it_printed", "leave_daemons_with_an_empty_environment",
    "leave_odd_names", "leave_directories_a_thousand_deep", "leave_ten_thousand_files", "leave_many_processes",
    "stop_itself_for_a_while", "make_links_to_the_user_among_its_files", "keep_its_output_open",
}  # fmt: skip


def with_deeds(directory: Path, data: str, deeds: tuple[str, ...]) -> Victim:
    """Plan the usual workflow with one more job for each deed, which nothing depends on."""
    victim = Victim(directory, data)
    document = json.loads(victim.workflow.read_text())
    python = {"name": "python", "sites": [{"name": "local", "type": "installed", "pfn": sys.executable}]}
    document["transformationCatalog"]["transformations"].append(python)
    for deed in deeds:
        words = f"{TASK} {deed} {deed}.txt {victim.outside / 'precious'}"
        line = job_line(
            f"do_{deed}", "python", words, outputs=[f"{deed}.txt"], profiles={"dagman": {"retry": "0"}}
        )
        line["uses"][0]["stageOut"] = deed in NEVER_FAIL
        document["jobs"].append(line)
    victim.workflow.write_text(json.dumps(document))
    victim.before = snapshot(victim.outside)
    victim.plan_here()
    return victim


def outcomes(victim: Victim) -> dict[str, dict[str, object]]:
    """Return the last record of each hostile job, by deed."""
    names = {r["job"]: r["id"] for r in victim.records() if r["event"] == "start"}
    ends = {names[r["job"]]: r["record"] for r in victim.records() if r["event"] == "end"}
    return {name.partition("_do_")[2]: record for name, record in ends.items() if "_do_" in name}


def check_surroundings(victim: Victim) -> None:
    victim.settle()
    assert snapshot(victim.outside) == victim.before, "something of the user's was changed"
    delivered = files_below(victim.results)
    assert expected_results().items() <= delivered.items(), "a job that works did not deliver"
    assert os.listdir(victim.tmp) == []


def misbehave(directory: Path, data: str, deeds: tuple[str, ...]) -> None:
    victim = with_deeds(directory, data, deeds)
    code, text = victim.run()
    records = outcomes(victim)
    failed = {deed for deed in deeds if not records[deed]["ok"]}
    assert code == (14 if failed else 0), text
    check_surroundings(victim)
    assert ALWAYS_FAIL & set(deeds) <= failed, "accepted as if it were right"
    assert not failed & NEVER_FAIL, {deed: records[deed].get("error") for deed in failed & NEVER_FAIL}
    for deed in deeds:
        FIGURES["hostile jobs"][
            f"{deed}: {'failed, and said why' if deed in failed else 'right result'}"
        ] += 1
    delivered = files_below(victim.results)
    for deed in set(deeds) & NEVER_FAIL:
        assert delivered[f"{deed}.txt"] == b"made\n", deed
    for words in (("status",), ("analyze",), ("statistics",), ("show",), ("analyze", "--json")):
        _, text = victim.call(*words, victim.submit_dir)
        assert "\x1b" not in text and "\0" not in text
    code, text = victim.run()
    assert code == (14 if failed else 0), text
    check_surroundings(victim)


def test_jobs_that_misbehave_fail_alone(tmp_path: Path) -> None:
    misbehave(tmp_path / "run", DATA[0], AT_FIRST)


@pytest.mark.faults
@pytest.mark.parametrize("data", DATA)
def test_jobs_that_misbehave_in_any_way_fail_alone(tmp_path: Path, data: str) -> None:
    left_out = {"end_its_parent", *(ITS_WHOLE_DIRECTORY if data == "sharedfs" else ())}
    misbehave(tmp_path / "run", data, tuple(deed for deed in DEEDS if deed not in left_out))


@pytest.mark.faults
@pytest.mark.parametrize("data", DATA)
def test_a_job_that_ends_its_parent_costs_no_other_job_an_attempt_that_counts(
    tmp_path: Path, data: str
) -> None:
    victim = with_deeds(tmp_path / "run", data, ("end_its_parent",))
    engine = victim.start("run", victim.submit_dir)
    with engine:
        text, _ = engine.communicate(timeout=120)
    check_text(text)
    assert engine.returncode in (0, 14), text
    check_surroundings(victim)
    FIGURES["hostile jobs"][f"end_its_parent: engine ended with {engine.returncode}"] += 1


@pytest.mark.faults
def test_a_job_that_stopped_itself_is_ended_when_its_run_is_removed(tmp_path: Path) -> None:
    victim = Victim(tmp_path / "run")
    document = json.loads(victim.workflow.read_text())
    python = {"name": "python", "sites": [{"name": "local", "type": "installed", "pfn": sys.executable}]}
    document["transformationCatalog"]["transformations"].append(python)
    document["jobs"].append(
        job_line("stopped", "python", f"-c 'import os; os.kill(os.getpid(), {int(signal.SIGSTOP)})'")
    )
    victim.workflow.write_text(json.dumps(document))
    victim.plan_here()
    engine = victim.start("run", victim.submit_dir)
    wait_until(lambda: any(r["event"] == "start" and "stopped" in r["id"] for r in victim.records()))
    victim.call("remove", victim.submit_dir)
    with engine:
        text, _ = engine.communicate(timeout=120)
    assert engine.returncode == 15, text
    victim.settle()


def test_every_deed_is_known_to_fail_or_not() -> None:
    either = {"fork_a_tree", "leave_a_daemon_that_writes_into_the_output", "make_a_second_name_of_something_of_the_user",
              "end_its_parent", "move_its_directory", "put_a_link_in_place_of_its_directory", "take_all_permissions_away"}  # fmt: skip
    assert ALWAYS_FAIL | NEVER_FAIL | either == set(DEEDS)
    assert set(INPUTS) & set(JOBS) == set()
