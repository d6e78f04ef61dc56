"""The plan of a workflow that has one of everything, and what planning prints of it, whole."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from kit.planned_workflow import task
from markab.cli.main import markab
from views.test_views import frozen, same

PROPERTIES = [
    *("-D", "pegasus.transfer.threads=3", "-D", "pegasus.integrity.checking=nosymlink"),
    *("-D", "dagman.maxjobs=9", "-D", "dagman.heavy.maxjobs=2", "-D", "markab.keep.failed=true"),
    *("-D", "pegasus.dir.storage.deep=true", "-D", "pegasus.transfer.lite.arguments=x"),
]

MACHINE = ["--cores", "4", "--memory", "8GB", "--gpus", "1"]


def program(name: str, *sites: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {"name": name, "sites": list(sites), **keys}


def documents(home: Path) -> dict[str, Any]:
    (home / "bin").mkdir()
    for name in ("tool", "staged"):
        (home / "bin" / name).write_text("#!/bin/sh\n")
        (home / "bin" / name).chmod(0o755)
    (home / "data.txt").write_text("data\n")
    installed = {"type": "installed", "pfn": f"{home}/bin/tool"}
    transformations = [
        program("tool", {"name": "local", **installed}, {"name": "node", **installed}),
        program(
            "staged", {"name": "local", "type": "stageable", "pfn": f"{home}/bin/staged"}, namespace="ns"
        ),
        program("gone", {"name": "node", "type": "installed", "pfn": f"{home}/gone"}),
        program("folder", {"name": "node", "type": "installed", "pfn": f"{home}/bin"}),
        program("boxed", {"name": "node", **installed, "container": "box"}, version="2"),
    ]
    directories = [
        {
            "type": "sharedScratch",
            "path": f"{home}/node-scratch",
            "fileServers": [{"operation": "all", "url": f"file://{home}/node-scratch"}],
        }
    ]
    profiles = {"env": {"LANG": "C"}, "pegasus": {"cores": 2, "memory": 100}}
    box = {"name": "box", "type": "shifter", "image": "docker:///rootproject/root"}
    sites = [{"name": "node", "arch": "x86_64", "directories": directories, "profiles": profiles}]
    replicas = [
        {
            "lfn": "data.txt",
            "pfns": [{"site": "local", "pfn": f"{home}/data.txt"}],
            "metadata": {"from": "us"},
        },
        {"lfn": "lost", "pfns": [{"site": "local", "pfn": f"{home}/lost"}]},
        {"lfn": "far", "pfns": [{"site": "web", "pfn": "http://data.invalid/far"}]},
        {"lfn": "made", "pfns": [{"site": "local", "pfn": f"{home}/made"}]},
    ]
    return {
        "transformationCatalog": {"transformations": transformations, "containers": [box]},
        "siteCatalog": {"sites": sites},
        "replicaCatalog": {"replicas": replicas},
    }


def tasks() -> list[dict[str, Any]]:
    checkpoint = [
        {"lfn": "state", "type": "checkpoint"},
        {"lfn": "e1", "type": "output", "registerReplica": True},
    ]
    kept = [{"lfn": "b", "type": "input"}, {"lfn": "inner", "type": "output", "stageOut": False}]
    return [
        task("A", "data.txt far", "a1 a2", nodeLabel="split up", profiles={"dagman": {"RETRY": "2"}}),
        task("B1", "a1", "b", arguments=["-n", "b"], profiles={"pegasus": {"clusters.size": 2}}),
        task("B2", "a2", "b2", metadata={"part": "2"}, profiles={"pegasus": {"clusters.size": 2}}),
        task(
            "C",
            "b b2",
            "dir/c",
            "staged",
            namespace="ns",
            stdout="c.log",
            profiles={"dagman": {"CATEGORY": "heavy"}},
        ),
        {
            **task("D", "", "", profiles={"dagman": {"PRIORITY": "7"}, "pegasus": {"runtime": "60"}}),
            "uses": kept,
        },
        {
            **task("E", profiles={"pegasus": {"checkpoint.time": 2, "maxwalltime": 5, "gpus": 1}}),
            "uses": checkpoint,
        },
        task("F", "e1 inner", "made", profiles={"env": {"X": "1"}}),
    ]


def written(home: Path, jobs: list[dict[str, Any]], **more: Any) -> Path:
    head = {"pegasus": "5.0.4", "name": "everything", "metadata": {"author": "Ada"}}
    (home / "workflow.yml").write_text(yaml.safe_dump({**head, **documents(home), "jobs": jobs, **more}))
    return home / "workflow.yml"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "planning").mkdir()
    with frozen(monkeypatch, tmp_path / "planning"):
        monkeypatch.setenv("USER", "ada")
        monkeypatch.chdir(tmp_path / "planning")
        yield tmp_path / "planning"


def planned(home: Path, *flags: str) -> str:
    done = CliRunner().invoke(markab, ["plan", *flags, "workflow.yml"])
    code = f"(exit code {done.exit_code})\n" if done.exit_code else ""
    return f"$ markab plan {' '.join(flags)} workflow.yml\n{done.output}{code}\n"


def named(text: str, home: Path) -> str:
    """Without what differs between two machines, or two moments."""
    text = re.sub(
        r'^(submit_hostname|planner|bindir|properties): ".*?"', r'\1: "…"', text, flags=re.MULTILINE
    )
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}", "UUID", text.replace(str(home), "HOME"))
    return re.sub(r'"crc": "\w+"', '"crc": "CRC"', text)


@pytest.mark.parametrize(
    "flags", [("-s", "node"), ("-s", "node", "-C", "horizontal", "--cleanup", "leaf", "-f")]
)
def test_a_plan_has_what_is_expected(home: Path, flags: tuple[str, ...]) -> None:
    written(home, tasks())
    (home / "made").write_text("made before\n")

    text = planned(
        home,
        *flags,
        "-o",
        "local",
        "--output-dir",
        "results",
        "--dir",
        "runs",
        *MACHINE,
        *PROPERTIES,
        "--explain",
    )

    (plan,) = home.glob("runs/**/plan.jsonl")
    lines = "\n".join(json.dumps(json.loads(line), indent=1) for line in plan.read_text().splitlines())
    braindump = (plan.parent / "braindump.yml").read_text()
    text = named(f"{text}== plan.jsonl\n{lines}\n== braindump.yml\n{braindump}", home)
    same(home / "run", f"plan {'clustered' if '-C' in flags else 'plain'}", text)


WRONG = {
    "document": [
        task("A", "nowhere ../out", "x", "toool"),
        task("A", "x", "x", "boxed"),
        task("C", "", "y x/z", "boxed", version="2"),
        task("D", "", "y", "staged", namespace="ns"),
    ],
    "profiles": [
        task(
            "A",
            "nowhere",
            "x",
            profiles={"pegasus": {"memory": "much", "coress": 2}, "dagman": {"RETRY": "-1"}},
        ),
        task(
            "B", "", "y", profiles={"pegasus": {"checkpoint.time": 9, "maxwalltime": 5}, "env": {"A=B": "1"}}
        ),
    ],
    "catalogs": [
        task("A", "nowhere lost", "x", "toool"),
        task("B", "", "y", "boxed"),
        task("C", "", "z", "staged", namespace="ns", profiles={"hints": {"execution.site": "moon"}}),
        task("D", "", "v", "gone"),
        task("E", "", "w", "folder"),
    ],
}


@pytest.mark.parametrize("wrong", WRONG)
def test_all_that_is_wrong_is_said_as_expected(home: Path, wrong: str) -> None:
    edges = [{"id": "A", "children": ["A", "Z"]}] if wrong == "document" else []
    written(home, WRONG[wrong], jobDependencies=edges)

    lines = [
        planned(home, *flags, *MACHINE)
        for flags in [("--json",), ("-s", "node"), ("-s", "node,moon", "-o", "mars")]
    ]
    same(home / "run", f"wrong {wrong}", named("".join(lines), home))


@pytest.mark.parametrize("flags", [("--json",), ("--dry-run", "--json"), ("-q",)])
def test_what_planning_prints_is_as_expected(home: Path, flags: tuple[str, ...]) -> None:
    written(home, tasks())

    text = planned(home, *flags, "-s", "node", "--dir", "runs", *MACHINE)
    text = re.sub(r'"(submit_hostname|planner|bindir|properties)": ".*?"', r'"\1": "…"', text)
    same(home / "run", f"planned {' '.join(flags)}", named(text, home))
