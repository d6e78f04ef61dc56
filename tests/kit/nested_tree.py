"""A workflow of three levels, in which jobs make the documents of both sub-workflows: all that a tree can be at once.

root:    source → a.txt;  write middle.yml;  [middle]: a.txt → m.txt;  end: m.txt → end.txt
middle:  write leaf.yml;  b: a.txt → b.txt;  [leaf]: b.txt → l.txt;  c: l.txt → m.txt, and own.txt
leaf:    d0 … d3: b.txt → d?.txt;  join: d?.txt → l.txt, and kept.txt
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

Entry = dict[str, Any]

STEP = """#!/bin/sh
# Writes to $2 what follows from its name $1 and its inputs, and notices another attempt of itself.
name=$1; out=$2; shift 2
mkdir "$WITNESS/alive-$name" || echo "$name" >> "$WITNESS/twice"
echo "$name" >> "$WITNESS/runs"
[ ! -e "$WITNESS/fails-$name" ] || { rmdir "$WITNESS/alive-$name"; echo "no such genome" >&2; exit 3; }
sleep ${PACE:-0}
{ echo "$name"; cat "$@" /dev/null; } | sha256sum > "$out"
[ "$name" != c ] || cp "$out" own.txt
[ "$name" != join ] || cp "$out" kept.txt
rmdir "$WITNESS/alive-$name"
"""
TASKS = ("source", "a", "b", "c", "d0", "d1", "d2", "d3", "join", "end")
RESULTS = ("end.txt", "own.txt", "kept.txt")


class NestedTree:
    """The documents of the tree in a directory."""

    def __init__(self, top: Path, pace_s: float = 0.0, retries: int = 0) -> None:
        self.top = top
        self.witness = top / "witness"
        self.witness.mkdir(parents=True)
        self._env = {"WITNESS": str(self.witness), "PACE": str(pace_s)}
        self._retries = retries
        step = top / "step"
        step.write_text(STEP)
        step.chmod(0o755)
        self._programs = {"step": str(step), "write": "/bin/cp"}
        self._write_documents()

    def _write_documents(self) -> None:
        leaf = [
            *(self._step(f"d{n}", f"d{n}.txt", "b.txt", stays=True) for n in range(4)),
            self._step("join", "l.txt", *(f"d{n}.txt" for n in range(4)), also="kept.txt"),
        ]
        middle = [
            self._writer("leaf.yml"),
            self._step("b", "b.txt", "a.txt", stays=True),
            self._inner("leaf", "b.txt", "l.txt"),
            self._step("c", "m.txt", "l.txt", also="own.txt"),
        ]
        root = [
            self._step("source", "s.txt", stays=True),
            self._step("a", "a.txt", "s.txt", stays=True),
            self._writer("middle.yml"),
            self._inner("middle", "a.txt", "m.txt"),
            self._step("end", "end.txt", "m.txt"),
        ]
        for name, jobs in (("leaf", leaf), ("middle", middle), ("workflow", root)):
            folder = self.top if name == "workflow" else self.top / "made"
            folder.mkdir(exist_ok=True)
            hook = {"_on": "end", "cmd": f"/bin/cp /dev/null {self.witness}/hook-{name}"}
            document = {"pegasus": "5.0.4", "name": name, "hooks": {"shell": [hook]}, "jobs": jobs}
            (folder / f"{name}.yml").write_text(json.dumps(document))
        sites = [{"name": "local", "type": "installed"}]
        transformations = [
            {"name": name, "sites": [{**sites[0], "pfn": path}]} for name, path in self._programs.items()
        ]
        replicas = [
            {
                "lfn": f"{name}.template",
                "pfns": [{"site": "local", "pfn": str(self.top / "made" / f"{name}.yml")}],
            }
            for name in ("leaf", "middle")
        ]
        for name, entries in (("transformations", transformations), ("replicas", replicas)):
            (self.top / f"{name}.yml").write_text(json.dumps({"pegasus": "5.0.4", name: entries}))

    def _step(self, name: str, out: str, *inputs: str, stays: bool = False, also: str = "") -> Entry:
        made: list[Entry] = [{"lfn": out, "type": "output", "stageOut": not stays}]
        made += [{"lfn": also, "type": "output", "stageOut": True}] if also else []
        return {
            "type": "job",
            "name": "step",
            "id": name,
            "arguments": [name, out, *inputs],
            "uses": [*({"lfn": lfn, "type": "input"} for lfn in inputs), *made],
            "profiles": {"env": self._env, "dagman": {"retry": str(self._retries)}},
        }

    def _writer(self, document: str) -> Entry:
        template = document.replace(".yml", ".template")
        uses: list[Entry] = [
            {"lfn": template, "type": "input"},
            {"lfn": document, "type": "output", "stageOut": False},
        ]
        return {
            "type": "job",
            "name": "write",
            "id": f"write-{template.partition('.')[0]}",
            "arguments": [template, document],
            "uses": uses,
        }

    def _inner(self, name: str, reads: str, makes: str) -> Entry:
        uses: list[Entry] = [
            {"lfn": f"{name}.yml", "type": "input", "forPlanning": True},
            {"lfn": reads, "type": "input"},
            {"lfn": makes, "type": "output", "stageOut": False},
        ]
        return {
            "type": "pegasusWorkflow",
            "file": f"{name}.yml",
            "id": name,
            "arguments": [],
            "uses": uses,
            "profiles": {"dagman": {"retry": str(self._retries)}},
        }

    @property
    def words(self) -> tuple[str, ...]:
        """What follows `markab plan`."""
        return ("-s", "local", "--output-dir", str(self.top / "results"), "workflow.yml")

    @staticmethod
    def child(submit_dir: Path, *names: str) -> Path:
        """Return the submit directory of a sub-workflow."""
        for name in names:
            submit_dir = submit_dir / "00" / "00" / f"pegasus-plan_{name}"
        return submit_dir

    def runs(self) -> list[str]:
        """Return the tasks that were run, in this order."""
        return (self.witness / "runs").read_text().split()

    def has_tasks(self) -> bool:
        """Return whether a process runs the program of the tree: those of a killed engine end after it."""
        program = os.fsencode(self.top / "step")
        for entry in os.listdir("/proc"):
            try:
                words = Path(f"/proc/{entry}/cmdline").read_bytes() if entry.isdigit() else b""
            except OSError:
                continue
            if program in words.split(b"\0"):
                return True
        return False

    def check_results(self) -> None:
        """Every result is delivered, is right, and nothing ran twice at a time."""
        assert not (self.witness / "twice").exists(), "two attempts of a job ran at once"
        texts = {path.name: path.read_text() for path in (self.top / "results").iterdir()}
        assert texts == expected_results()


def expected_results() -> dict[str, str]:
    """Return the results by their names."""
    made: dict[str, str] = {}

    def step(name: str, *inputs: str) -> str:
        text = name + "\n" + "".join(made[one] for one in inputs)
        made[name] = f"{hashlib.sha256(text.encode()).hexdigest()}  -\n"
        return made[name]

    step("source")
    step("a", "source")
    step("b", "a")
    for n in range(4):
        step(f"d{n}", "b")
    kept = step("join", "d0", "d1", "d2", "d3")
    own = step("c", "join")
    return {"end.txt": step("end", "c"), "own.txt": own, "kept.txt": kept}
