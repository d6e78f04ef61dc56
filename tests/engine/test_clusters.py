"""A job of several tasks: it ends at the first failure or goes on, and does not repeat what it did."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kit.planned_workflow import Bench, Entry, task
from markab.engine.run import Outcome, RunOptions, run
from markab.journal.records import AttemptEnd
from markab.journal.search import records_of
from markab.plan.plan_file import PlanFile
from markab.planner.planning import plan

STOPS_NOT = {"pegasus.clusterer.job.aggregator.seqexec.firstjobfail": "false"}
TOOL = """#!/bin/sh
# usage: tool NAME IN OUT: fails while the file BAD/NAME exists; once if it holds "once"
echo "$1" >> LOG
if [ -e BAD/$1 ]; then
  what=$(cat BAD/$1)
  [ "$what" = once ] && rm BAD/$1
  [ "$what" = forgets ] && rm BAD/$1 && exit 0
  echo "no luck, $1"; exit 3
fi
{ cat "$2"; echo "$1"; } > "$3"
"""


class Clustered:
    """a → b → c and d in one job, which runs them in the order a, d, b, c; the results are those of c and d."""

    def __init__(self, directory: Path, data: str = "condorio", **properties: str) -> None:
        bench = Bench(directory)
        bench.has("raw")
        bench.transformations[0]["sites"][0]["name"] = "local"
        self.log, self.bad = directory / "log", directory / "bad"
        self.bad.mkdir()
        tool = directory / "bin" / "tool"
        tool.write_text(TOOL.replace("LOG", str(self.log)).replace("BAD", str(self.bad)))
        tasks = [
            self.task("a", "raw", "x"),
            self.task("b", "x", "y"),
            self.task("c", "y", "z"),
            self.task("d", "raw", "w"),
        ]
        planned = plan(
            bench.options(
                *tasks,
                output_dir=directory / "out",
                sites=["local"],
                cluster=["label"],
                properties={
                    "dagman.retry": "1",
                    "pegasus.data.configuration": data,
                    "pegasus.integrity.checking": "full",
                    **properties,
                },
            )
        )
        assert planned.submit_dir is not None
        self.submit_dir = planned.submit_dir
        self.result = directory / "out" / "z"
        scratch = PlanFile(self.submit_dir / "plan.jsonl").header.sites["local"].scratch
        assert scratch is not None
        self.scratch = Path(scratch.path)

    @staticmethod
    def task(name: str, reads: str, makes: str) -> Entry:
        uses = [{"lfn": reads, "type": "input"}, {"lfn": makes, "type": "output", "stageOut": makes in "zw"}]
        return task(name, uses=uses, arguments=[name, reads, makes], profiles={"pegasus": {"label": "all"}})

    def fails(self, name: str, how: str = "always") -> None:
        (self.bad / name).write_text(how)

    def run(self) -> Outcome:
        return run(self.submit_dir, RunOptions(cores=2))

    def ran(self) -> list[str]:
        """Return which tasks ran since the last call."""
        lines = self.log.read_text().split()
        self.log.write_text("")
        return lines

    def records(self) -> list[dict[str, Any]]:
        """Return the records of the attempts of the cluster."""
        plan = PlanFile(self.submit_dir / "plan.jsonl")
        ids = [job.id for job in plan.jobs()]
        found = records_of(self.submit_dir / "journal.jsonl", AttemptEnd)
        return [end.record for end in found if ids[end.job] == "merge_all"]


RIGHT = "content of raw\na\nb\nc\n"


@pytest.mark.parametrize("data", ["condorio", "nonsharedfs", "sharedfs"])
def test_a_cluster_runs_its_tasks_in_one_directory_and_delivers_their_results(
    tmp_path: Path, data: str
) -> None:
    made = Clustered(tmp_path, data)

    assert made.run().state == "success"
    assert made.ran() == ["a", "d", "b", "c"] and made.result.read_text() == RIGHT
    (record,) = made.records()
    assert [one["task"] for one in record["invocations"]] == ["a", "d", "b", "c"] and "done" not in record


@pytest.mark.parametrize("data", ["condorio", "nonsharedfs", "sharedfs"])
def test_a_retry_runs_only_the_tasks_that_did_not_succeed(tmp_path: Path, data: str) -> None:
    made = Clustered(tmp_path, data)
    made.fails("b", "once")

    assert made.run().state == "success"
    assert made.ran() == ["a", "d", "b", "b", "c"] and made.result.read_text() == RIGHT
    failed, well = made.records()
    assert failed["done"] == [{"task": "a", "makes": ["x"]}, {"task": "d", "makes": ["w"]}]
    assert sorted(file["lfn"] for file in failed["outputs"]) == ["w", "x"]
    assert [one["task"] for one in well["invocations"]] == ["b", "c"]
    assert sorted(file["lfn"] for file in well["outputs"]) == ["w", "x", "y", "z"]


@pytest.mark.parametrize("data", ["condorio", "sharedfs"])
def test_what_is_done_stays_done_over_several_attempts_and_calls(tmp_path: Path, data: str) -> None:
    made = Clustered(tmp_path, data, **{"dagman.retry": "0"})
    for name in ("b", "c"):
        made.fails(name)
        assert made.run().state == "failed"
        shutil.rmtree(made.bad)
        made.bad.mkdir()

    assert made.ran() == ["a", "d", "b", "b", "c"]
    assert made.run().state == "success"
    assert made.ran() == ["c"] and made.result.read_text() == RIGHT
    assert made.run().was_complete


def test_a_task_that_makes_no_file_is_done_too(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.transformations[0]["sites"][0]["name"] = "local"
    bad = tmp_path / "bad"
    bad.touch()
    (tmp_path / "bin" / "tool").write_text(
        f"#!/bin/sh\necho $1 >> {tmp_path}/log; [ $1 = a ] || [ ! -e {bad} ]\n"
    )
    label = {"pegasus": {"label": "all"}}
    tasks = [task(name, arguments=[name], uses=[], profiles=label) for name in ("a", "b")]
    planned = plan(
        bench.options(*tasks, sites=["local"], cluster=["label"], properties={"dagman.retry": "1"})
    )
    assert planned.submit_dir is not None

    first = run(planned.submit_dir, RunOptions(cores=2))
    bad.unlink()
    second = run(planned.submit_dir, RunOptions(cores=2))

    assert (first.state, second.state) == ("failed", "success")
    assert (tmp_path / "log").read_text().split() == ["a", "b", "b", "b"]


def test_neither_a_task_without_its_output_is_done_nor_those_that_need_it(tmp_path: Path) -> None:
    made = Clustered(tmp_path)
    made.fails("b", "forgets")

    assert made.run().state == "success"
    assert made.ran() == ["a", "d", "b", "c", "b", "c"] and made.result.read_text() == RIGHT
    assert [task["task"] for task in made.records()[0]["done"]] == ["a", "d"]


def spoil(path: Path) -> None:
    path.chmod(0o644)
    path.write_text("spoiled\n")


@pytest.mark.parametrize("harm", [Path.unlink, spoil])
def test_the_whole_cluster_runs_again_if_what_a_task_made_is_gone_or_altered(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    made = Clustered(tmp_path, **{"dagman.retry": "0"})
    made.fails("c", "once")
    assert made.run().state == "failed" and made.ran() == ["a", "d", "b", "c"]
    harm(made.scratch / "y")

    assert made.run().state == "failed", "its inputs are not as they were recorded"
    assert made.run().state == "success"
    assert made.ran() == ["a", "d", "b", "c"] and made.result.read_text() == RIGHT


def test_a_cluster_whose_output_is_searched_for_messages_runs_as_a_whole(tmp_path: Path) -> None:
    made = Clustered(tmp_path, **{"pegasus.exitcode.failuremsg": "no luck"})
    made.fails("b", "once")

    assert made.run().state == "success" and made.ran() == ["a", "d", "b", "a", "d", "b", "c"]


@pytest.mark.parametrize(
    ("properties", "ran"), [({}, ["a", "a"]), (STOPS_NOT, ["a", "d", "a"])], ids=["stops", "goes on"]
)
def test_the_first_failure_ends_a_cluster_or_only_keeps_back_what_needs_that_task(
    tmp_path: Path, properties: dict[str, str], ran: list[str]
) -> None:
    made = Clustered(tmp_path, **properties)
    made.fails("a")

    assert made.run().state == "failed" and made.ran() == ran
    record = made.records()[-1]
    assert (record["error"]["kind"], record["error"]["message"]) == (
        "exit",
        "task 'a' ended with exit code 3",
    )
    assert record["stdout"] == "no luck, a\n"
    assert not made.result.exists() and not made.result.with_name("w").exists()


AT_ONCE = {
    "pegasus.clusterer.job.aggregator": "mpiexec",
    "pegasus.clusterer.job.aggregator.arguments": "--host-cpus 2",
}


@pytest.mark.parametrize("data", ["condorio", "sharedfs"])
def test_tasks_that_run_at_once_make_what_they_make_one_by_one_and_a_retry_runs_only_what_failed(
    tmp_path: Path, data: str
) -> None:
    made = Clustered(tmp_path, data, **AT_ONCE)
    made.fails("b", "once")

    assert made.run().state == "success" and made.result.read_text() == RIGHT
    ran = made.ran()
    assert sorted(ran) == ["a", "b", "b", "c", "d"]
    assert [name for name in ran if name != "d"] == ["a", "b", "b", "c"]
    failed, well = made.records()
    assert sorted(one["task"] for one in failed["done"]) == ["a", "d"]
    assert [one["task"] for one in well["invocations"]] == ["b", "c"]
