"""Workflows at a site behind walls: its jobs see nothing of the submit host, and its batch system misbehaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from contract import walled_node
from contract.walled_executor import Faults, WalledExecutor
from integration.tools import command, environment, job_line, journal, script, write_workflow
from markab.engine import submission
from markab.engine.run import Outcome, RunOptions, run
from markab.executors.base import Seen
from markab.executors.registry import BACK_ENDS, MakeExecutor
from markab.journal.progress import Observer, Progress
from markab.operations import check_site, find_site_documents, read_status
from markab.plan.model import LOCAL
from markab.planner import site_executors
from markab.planner.options import PlanOptions
from markab.planner.planning import plan

EXAMPLES = Path(__file__).parents[2] / "examples"
NODE_ROOT = {"bin", "dev", "job", "tmp", "usr"}
"""What a job behind walls finds in the root directory, beside libraries and where Python is."""

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        bool(walled_node.why_not()) and not ("CI" in os.environ and os.geteuid() == 0),
        reason=walled_node.why_not(),
    ),
]


@pytest.fixture(autouse=True)
def walled_style(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the planner know the executor, as it does one that a style maps to."""
    monkeypatch.setattr(site_executors, "AVAILABLE", frozenset({LOCAL, "walled"}))
    monkeypatch.setitem(site_executors.EXECUTORS, ("walled", ""), "walled")  # type: ignore[arg-type]


def back_ends(node: Path, faults: Faults | None = None) -> dict[str, MakeExecutor]:
    return {**BACK_ENDS, "walled": lambda site: WalledExecutor(node, faults)}


class Site:
    """A directory with a workflow, planned for the walled site, for this machine, or for both."""

    def __init__(self, top: Path) -> None:
        self.top, self.node = top, top / "node"

    def plan(self, sites: str, workflow: str = "workflow.yml") -> Path:
        """Plan; outputs go to `results-SITES`."""
        return self.planned(sites, workflow)

    def planned(self, sites: str, workflow: str = "workflow.yml", **more: Any) -> Path:
        """Plan with further options."""
        self.write_catalog()
        options = PlanOptions(
            workflow=self.top / workflow,
            directory=self.top,
            sites=sites.split(","),
            output_dir=self.top / f"results-{sites}",
            dir=self.top / f"runs-{sites}",
            **more,
        )
        submit_dir = plan(options).submit_dir
        assert submit_dir is not None
        return submit_dir

    def write_catalog(self) -> None:
        """Write the site catalog, with the site `far`."""
        servers = [{"operation": "all", "url": f"file://{self.top}/scratch"}]
        directories = [
            {"type": "sharedScratch", "path": f"{self.top}/scratch", "fileServers": servers},
        ]
        far = {"name": "far", "directories": directories, "profiles": {"pegasus": {"style": "walled"}}}
        (self.top / "sites.yml").write_text(json.dumps({"pegasus": "5.0", "sites": [far]}))

    def run(
        self, submit_dir: Path, faults: Faults | None = None, observer: Observer | None = None
    ) -> Outcome:
        options = RunOptions(cores=8, memory_mb=8000)
        return run(submit_dir, options, observer, back_ends=back_ends(self.node, faults))

    def results(self, sites: str) -> dict[str, bytes]:
        top = self.top / f"results-{sites}"
        return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


def attempts_of(submit_dir: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the records of every job's attempts; check that no two were alive at once, and none succeeded twice."""
    names: dict[int, str] = {}
    alive: dict[int, int] = {}
    records = defaultdict(list)
    for entry in journal(submit_dir):
        if entry["event"] == "start":
            assert entry["job"] not in alive, "two attempts are alive"
            names[entry["job"]] = entry["id"]
            alive[entry["job"]] = entry["attempt"]
            assert entry["attempt"] == len(records[entry["id"]]) + 1
        elif entry["event"] == "end":
            assert alive.pop(entry["job"]) == entry["attempt"]
            records[names[entry["job"]]].append(entry["record"])
    assert not alive
    for job, ends in records.items():
        assert [end["ok"] for end in ends].count(True) == 1 and ends[-1]["ok"], job
    return records


def errors_of(records: list[dict[str, Any]]) -> list[str]:
    return [record["error"]["kind"] for record in records if not record["ok"]]


def check_far_away(look: bytes) -> None:
    """What a job printed with `id -u; ls /`, and what it could not see."""
    user, *names = look.decode().split()
    assert int(user) == (walled_node.NOBODY if os.geteuid() == 0 else 0)
    assert set(names) >= NODE_ROOT and not set(names) & {"etc", "home", "var", "proc", "work"}


# -- 1: an example, with its programs brought along ------------------------------------------------


def test_the_diamond_runs_far_away_as_it_does_here(tmp_path: Path) -> None:
    site = Site(tmp_path)
    command(sys.executable, EXAMPLES / "diamond/workflow.py", cwd=tmp_path)
    here, far = site.plan("local"), site.plan("far")

    assert site.run(here).state == site.run(far).state == "success"
    assert site.results("far") == site.results("local") and b"" not in site.results("far").values()
    ends = attempts_of(far)
    computed = [records for records in ends.values() if records[0].get("invocations")]
    assert len(computed) == 4 and all(len(records) == 1 for records in computed)
    assert {records[0]["cwd"].rpartition("/")[0] for records in computed} == {"/job/work"}
    assert not (site.node / "twice").exists()


# -- 2: a fan, at two sites at once, with a batch system that does everything wrong ----------------

COUNT = """#!/bin/sh
# usage: count PART OUT: counts words; the first attempt of c2 fails.
case $MARKAB_ATTEMPT in *_c2/1) echo "no luck" >&2; exit 1;; esac
wc -w < "$1" > "$2"
"""
SPLIT = """#!/bin/sh
for part in "$@"; do echo "$part is one of $# parts" > "$part"; done
"""
JOIN = """#!/bin/sh
out=$1; shift; cat "$@" > "$out"
"""
LOOK = """#!/bin/sh
id -u; ls /; for path in $FORBIDDEN; do [ ! -e "$path" ] || echo "sees $path"; done
"""
PARTS = range(1, 7)


def write_fan(top: Path, *, here: tuple[int, ...] = (), count: str = COUNT) -> None:
    """Split, count each part, join; parts of `here` are counted on this machine if the plan allows it."""
    programs = {"split": SPLIT, "count": count, "join": JOIN, "look": LOOK}
    transformations = [
        {
            "name": name,
            "sites": [{"name": "local", "type": "stageable", "pfn": str(script(top / f"{name}.sh", text))}],
        }
        for name, text in programs.items()
    ]
    parts = [f"part{n}.txt" for n in PARTS]

    def at(site: str) -> Mapping[str, Any]:
        return {"profiles": {"selector": {"execution.site": site}, "dagman": {"retry": "3"}}}

    jobs = [
        job_line("s", "split", " ".join(parts), outputs=parts, **at("local")),
        *[
            job_line(
                f"c{n}",
                "count",
                f"part{n}.txt count{n}.txt",
                inputs=[f"part{n}.txt"],
                outputs=[f"count{n}.txt"],
                **at("local" if n in here else "far"),
            )
            for n in PARTS
        ],
        job_line(
            "j",
            "join",
            "all.txt " + " ".join(f"count{n}.txt" for n in PARTS),
            inputs=[f"count{n}.txt" for n in PARTS],
            outputs=["all.txt"],
            **at("far"),
        ),
        job_line("l", "look", outputs=["look.txt"], stdout="look.txt", **at("far")),
    ]
    jobs[-1]["profiles"]["env"] = {"FORBIDDEN": f"{top} {top}/split.sh {Path.home()} /etc/passwd"}
    write_workflow(top, jobs, transformationCatalog={"transformations": transformations})


def test_a_fan_at_two_sites_survives_whatever_the_batch_system_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "SUBMIT_AGAIN_AFTER_S", 0.3)
    site = Site(tmp_path)
    write_fan(tmp_path, here=(5, 6))
    here, both = site.plan("local"), site.plan("local,far")
    assert site.run(here).state == "success"
    faults = Faults(
        late_s=0.3,
        unavailable=1,
        deaf=20,
        holds={"count_c1": "disk quota exceeded"},
        evicts=frozenset({"count_c3"}),
        loses=frozenset({"count_c4"}),
    )
    shown: list[str] = []

    def look(progress: Progress) -> None:
        """Release the job that is held, once status says why."""
        if not faults.released.is_set() and (why := read_status(both).on_hold.get("count_c1")):
            shown.append(why)
            faults.released.set()

    outcome = site.run(both, faults, look)

    assert outcome.state == "success" and shown == ["disk quota exceeded"]
    assert any("takes no jobs at the moment" in warning for warning in outcome.warnings)
    far, local = site.results("local,far"), site.results("local")
    check_far_away(far.pop("look.txt"))
    local.pop("look.txt")
    assert far == local and far["all.txt"] == b"6\n" * 6
    ends = attempts_of(both)
    kinds = {f"c{n}": errors_of(ends[f"count_c{n}"]) for n in PARTS}
    assert kinds == {"c1": [], "c2": ["exit"], "c3": [], "c4": ["lost"], "c5": [], "c6": []}
    assert ends["count_c2"][0]["stderr"] == "no luck\n"
    assert "nothing came back" in ends["count_c4"][0]["error"]["message"]
    assert ends["count_c5"][0]["cwd"].startswith(str(tmp_path)), "it ran on this machine"
    assert not (site.node / "twice").exists()


# -- 3: the engine is killed; another one goes on --------------------------------------------------

ENGINE = """
import sys
from pathlib import Path
from contract.walled_executor import Faults
from integration.test_walled_site import Site
site = Site(Path(sys.argv[1]))
site.run(Path(sys.argv[2]), Faults(late_s=1e6))
"""
SLOW_COUNT = """#!/bin/sh
# usage: count PART OUT: c1 and c2 take long.
case $MARKAB_ATTEMPT in *_c[12]/1) echo > started; sleep 12;; esac
wc -w < "$1" > "$2"
"""


def wait_until(is_true: Callable[[], bool], engine: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + 120
    while not is_true():
        assert engine.poll() is None, "the engine has ended"
        assert time.monotonic() < give_up
        time.sleep(0.02)


def test_what_was_under_way_when_the_engine_was_killed_is_found_again(tmp_path: Path) -> None:
    site = Site(tmp_path)
    write_fan(tmp_path, count=SLOW_COUNT)
    here, far = site.plan("local"), site.plan("local,far")
    tests = Path(__file__).parents[1]
    paths = os.pathsep.join([environment()["PYTHONPATH"], str(tests)])
    engine = subprocess.Popen(
        [sys.executable, "-c", ENGINE, str(tmp_path), str(far)], env=environment({"PYTHONPATH": paths})
    )
    quick = ("count_c3", "count_c4", "count_c5", "count_c6", "look_l")

    def ended() -> list[Path]:
        """Attempts that wrote their record and whose process has ended, which is a moment later."""
        places = (path.parent for path in site.node.glob("*/record.json"))
        return [place for place in places if not walled_node.is_alive(place)]

    try:
        wait_until(lambda: len(ended()) == len(quick), engine)
        wait_until(lambda: len(list(site.node.glob("*/work/count_c[12].1/started"))) == 2, engine)
    finally:
        engine.send_signal(signal.SIGKILL)
        engine.wait()

    faults = Faults(forgets=frozenset({"count_c2", "count_c3"}))
    seen: dict[str, Seen] = {}

    class Watched(WalledExecutor):
        def recover(self, attempts: Any) -> Any:
            names = {attempt.id: attempt.job.id for attempt in attempts}
            reports = super().recover(attempts)
            seen.update({names[report.id]: report.seen for report in reports})
            return reports

    ends = {**back_ends(site.node), "walled": lambda _: Watched(site.node, faults)}
    outcome = run(far, RunOptions(cores=8, memory_mb=8000), back_ends=ends)

    assert outcome.state == "success"
    assert seen == {
        "count_c1": Seen.RUNNING,
        "count_c2": Seen.LOST,
        "count_c3": Seen.LOST,
        **dict.fromkeys(set(quick) - {"count_c3"}, Seen.ENDED),
    }
    records = attempts_of(far)
    assert {f"c{n}": errors_of(records[f"count_c{n}"]) for n in PARTS} == {
        "c1": [], "c2": ["lost"], "c3": ["lost"], "c4": [], "c5": [], "c6": [],
    }  # fmt: skip
    assert not (site.node / "twice").exists()
    assert site.run(here).state == "success"
    far_results, local_results = site.results("local,far"), site.results("local")
    check_far_away(far_results.pop("look.txt"))
    local_results.pop("look.txt")
    assert far_results == local_results


# -- 4: testing the site ---------------------------------------------------------------------------


def test_a_site_behind_walls_is_tested_with_what_it_can_do_and_why_it_cannot_do_the_rest(
    tmp_path: Path,
) -> None:
    site = Site(tmp_path)
    site.write_catalog()
    result = check_site("far", find_site_documents(tmp_path), limit_s=60, back_ends=back_ends(site.node))
    job = next(check for check in result.checks if check.name == "job")
    assert result.ok, result.checks
    assert "with condorio, nonsharedfs; not with sharedfs: " in job.text
    assert "which is not mounted at site 'far'" in job.text


def test_a_site_behind_walls_that_holds_every_job_is_tested(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.write_catalog()
    names = [f"site-test-look_{data}" for data in ("condorio", "nonsharedfs", "sharedfs")]
    faults = Faults(holds=dict.fromkeys(names, "disk quota exceeded"))
    result = check_site(
        "far", find_site_documents(tmp_path), limit_s=2, back_ends=back_ends(site.node, faults)
    )
    [wrong] = [check for check in result.checks if check.ok is False]
    assert wrong.name == "start" and "the site holds it: disk quota exceeded" in wrong.text


# -- 5: clusters, checkpoints and reuse ------------------------------------------------------------

GO_ON = """#!/bin/sh
# usage: go_on OUT: writes a checkpoint and fails; with one, succeeds
if [ -e state.txt ]; then cat state.txt > "$1"; else echo half > state.txt; exit 1; fi
"""


def test_clusters_checkpoints_and_reuse_work_far_away(tmp_path: Path) -> None:
    site = Site(tmp_path)
    programs = {"join": JOIN, "go_on": GO_ON}
    transformations = [
        {
            "name": name,
            "sites": [{"name": "local", "type": "stageable", "pfn": str(script(tmp_path / name, text))}],
        }
        for name, text in programs.items()
    ]
    (tmp_path / "in.txt").write_text("word\n")
    label = {"profiles": {"pegasus": {"label": "both"}}}
    checkpoint = {"lfn": "state.txt", "type": "checkpoint"}
    jobs = [
        job_line("a", "join", "a.txt in.txt", inputs=["in.txt"], outputs=["a.txt"], **label),
        job_line("b", "join", "b.txt a.txt in.txt", inputs=["in.txt", "a.txt"], outputs=["b.txt"], **label),
        job_line("g", "go_on", "g.txt", outputs=["g.txt"], profiles={"dagman": {"retry": "1"}}),
    ]
    jobs[-1]["uses"].append(checkpoint)
    replicas = [{"lfn": "in.txt", "pfns": [{"site": "local", "pfn": str(tmp_path / "in.txt")}]}]
    write_workflow(
        tmp_path,
        jobs,
        transformationCatalog={"transformations": transformations},
        replicaCatalog={"replicas": replicas},
    )
    properties = {
        "markab.reuse.policy": "content",
        "markab.reuse.index": str(tmp_path / "index.db"),
        "markab.reuse.store": str(tmp_path / "store"),
    }

    first = site.planned("far", cluster=["label"], properties=properties)
    assert site.run(first).state == "success"
    records = attempts_of(first)
    [cluster] = records["merge_both"]
    assert [one["task"] for one in cluster["invocations"]] == ["a", "b"] and cluster["cwd"].startswith(
        "/job/"
    )
    assert errors_of(records["go_on_g"]) == ["exit"] and len(records["go_on_g"]) == 2
    results = site.results("far")
    assert {name: results[name] for name in ("b.txt", "g.txt")} == {
        "b.txt": b"word\nword\n",
        "g.txt": b"half\n",
    }

    second = site.planned("far", cluster=["label"], properties=properties)
    assert site.run(second).state == "success"
    assert "merge_both" not in attempts_of(second) and site.results("far") == results
