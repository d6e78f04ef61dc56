"""The scripts of `examples/` write the documents they promise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


def write_documents(example: str, *args: str, cwd: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    script = EXAMPLES / example / "workflow.py"
    done = subprocess.run(
        [sys.executable, script, *args], cwd=cwd, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def test_the_co2_workflow_fans_out_over_the_decades_and_in_again(tmp_path: Path) -> None:
    write_documents("co2", cwd=tmp_path)

    workflow = read(tmp_path / "workflow.yml")

    names = [job["name"] for job in workflow["jobs"]]
    assert ["clean", "split", *["fit", "bootstrap"] * 4, "merge", "tabulate", "draw"] == names
    children = {entry["id"]: entry["children"] for entry in workflow["jobDependencies"]}
    by_id = {job["id"]: job["name"] for job in workflow["jobs"]}
    assert {"split", "draw"} == {by_id[child] for child in children["ID0000001"]}
    assert 8 == len(children["ID0000002"])
    assert {"merge", "draw"} == {by_id[child] for child in children["ID0000003"]}


def test_every_path_in_the_catalogs_of_an_example_exists(tmp_path: Path) -> None:
    for example in ["co2", "diamond"]:
        write_documents(example, cwd=tmp_path)

        for replica in read(tmp_path / "replicas.yml")["replicas"]:
            assert all(Path(pfn["pfn"]).is_file() for pfn in replica["pfns"])
        for transformation in read(tmp_path / "transformations.yml")["transformations"]:
            assert all(os.access(site["pfn"], os.X_OK) for site in transformation["sites"])


def test_the_diamond_infers_its_dependencies(tmp_path: Path) -> None:
    write_documents("diamond", cwd=tmp_path)

    workflow = read(tmp_path / "workflow.yml")

    children = {entry["id"]: sorted(entry["children"]) for entry in workflow["jobDependencies"]}
    assert {
        "ID0000001": ["ID0000002", "ID0000003"],
        "ID0000002": ["ID0000004"],
        "ID0000003": ["ID0000004"],
    } == children


def test_the_pipeline_fetches_what_its_arguments_name(tmp_path: Path) -> None:
    write_documents("pipeline", "http://localhost:1/page", cwd=tmp_path)

    workflow = read(tmp_path / "pipeline.yml")

    assert ["-o", "page.html", "http://localhost:1/page"] == workflow["jobs"][0]["arguments"]
    assert "count.txt" == workflow["jobs"][1]["stdout"]
    assert [{"id": "ID0000001", "children": ["ID0000002"]}] == workflow["jobDependencies"]


def test_the_programs_of_the_diamond_find_the_whole_range(tmp_path: Path) -> None:
    programs = EXAMPLES / "diamond" / "bin"
    (tmp_path / "f.a").write_text("3\n-1\n7\n5\n2\n")

    for argv in [
        ["preprocess.py", "-i", "f.a", "-o", "f.b1", "-o", "f.b2"],
        ["findrange.py", "-i", "f.b1", "-o", "f.c1"],
        ["findrange.py", "-i", "f.b2", "-o", "f.c2"],
        ["analyze.py", "-i", "f.c1", "-i", "f.c2", "-o", "f.d"],
    ]:
        subprocess.run([sys.executable, programs / argv[0], *argv[1:]], cwd=tmp_path, check=True, timeout=30)

    assert ["2.0 7.0\n", "-1.0 5.0\n"] == [(tmp_path / name).read_text() for name in ["f.c1", "f.c2"]]
    assert "2 ranges, together from -1.0 to 7.0\n" == (tmp_path / "f.d").read_text()
