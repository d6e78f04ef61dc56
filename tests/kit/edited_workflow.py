"""A workflow of four scripts, planned and run for real, of which inputs and scripts are edited."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kit.planned_workflow import Bench, task
from markab.engine.run import Outcome, RunOptions, run
from markab.journal.records import Refresh, Undone
from markab.journal.search import records_of
from markab.plan.plan_file import PlanFile
from markab.planner.planning import plan

SCRIPT = """#!/bin/sh
echo "$1" >> {log}
[ "$1" != end ] || [ -e {go} ] || exit 1
task=$1; out=$2; shift 2
{{ echo "$task by {version}"; cat "$@"; }} > "$out"
"""


class Edited:
    """a → one → two ┐           `one` is made by the script `first`, all else by `second`;
    b → side ────────┴→ end      `end` fails until the file `go` exists."""

    def __init__(
        self,
        directory: Path,
        kind: str = "stageable",
        data: str = "condorio",
        cleanup: str = "inplace",
        **keys: str,
    ) -> None:
        self.path = directory
        self.bench = bench = Bench(directory)
        bench.has("a", "b")
        bench.transformations.clear()
        self.log, self.go = directory / "log", directory / "go"
        for name in ("first", "second"):
            self.write(name, "1")
            pfn = str(directory / "bin" / name)
            bench.transformations.append(
                {"name": name, "sites": [{"name": "local", "type": kind, "pfn": pfn, **keys}]}
            )
        self.tasks = [
            task("one", "a", "one", "first", arguments=["one", "one", "a"]),
            task("side", "b", "side", "second", arguments=["side", "side", "b"]),
            task("two", "one", "two", "second", arguments=["two", "two", "one"]),
            task("end", "two side", "end", "second", arguments=["end", "end", "two", "side"]),
        ]
        self.data, self.cleanup = data, cleanup
        self.options: dict[str, Any] = {}
        """Further options of the planner."""

    def plan(self, **properties: str) -> Edited:
        given = {"output_dir": self.path / "out", "cleanup": self.cleanup, "sites": ["local"], **self.options}
        known = {"dagman.retry": "0", "pegasus.data.configuration": self.data, **properties}
        options = self.bench.options(*self.tasks, properties=known, **given)
        planned = plan(options)
        assert planned.submit_dir is not None
        self.submit_dir = planned.submit_dir
        return self

    def write(self, name: str, version: str) -> None:
        script = self.path / "bin" / name
        script.write_text(SCRIPT.format(log=self.log, go=self.go, version=version))
        script.chmod(0o755)

    def run(self, *, refresh: bool = False, **more: object) -> Outcome:
        return run(self.submit_dir, RunOptions(cores=2, refresh=refresh), **more)  # type: ignore[arg-type]

    def ran(self) -> list[str]:
        """Return which tasks ran since the last call."""
        lines = self.log.read_text().split() if self.log.exists() else []
        self.log.write_text("")
        return sorted(lines)

    @property
    def result(self) -> str:
        return (self.path / "out" / "end").read_text()

    @property
    def refreshes(self) -> list[Refresh]:
        return list(records_of(self.submit_dir / "journal.jsonl", Refresh))

    def undone(self) -> set[str]:
        file = PlanFile(self.submit_dir / "plan.jsonl")
        return {file.job(it.job).id for it in records_of(self.submit_dir / "journal.jsonl", Undone)}


def failed(directory: Path, **keys: str) -> Edited:
    """Return a run in which all but `end` succeeded."""
    made = Edited(directory, **keys).plan()
    assert made.run().state == "failed"
    assert made.ran() == ["end", "one", "side", "two"]
    made.go.touch()
    return made


def text(one: str = "1", rest: str = "1", a: str = "content of a") -> str:
    return f"end by {rest}\ntwo by {rest}\none by {one}\n{a}\nside by {rest}\ncontent of b\n"
