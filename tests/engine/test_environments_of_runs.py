"""Tasks that run in software environments, with a builder that makes no packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.planned_workflow import Bench, Entry, task
from markab import operations
from markab.engine.run import RunOptions, run
from markab.journal.records import AttemptEnd
from markab.journal.search import records_of

UV = """#!/bin/sh
echo "$1" >> {top}/calls
case "$1" in
  venv) mkdir -p "$4/bin"; printf '#!/bin/sh\\necho from the environment\\n' > "$4/bin/greet"; chmod +x "$4/bin/greet";;
  *) [ ! -e {top}/fails ];;
esac
"""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(tmp_path)
    (tmp_path / "bin" / "tool").write_text('#!/bin/sh\ngreet > "$1" || exit 1\n')
    (tmp_path / "bin" / "uv").write_text(UV.replace("{top}", str(tmp_path)))
    (tmp_path / "bin" / "uv").chmod(0o755)
    (tmp_path / "requirements.txt").write_text("greet==1\n")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return bench


def greeting(name: str) -> Entry:
    profiles = {"markab": {"environment.requirements": "requirements.txt"}}
    return task(name, makes=f"{name}.txt", arguments=[f"{name}.txt"], profiles=profiles)


def calls(bench: Bench) -> list[str]:
    return (bench.path / "calls").read_text().split()


@pytest.mark.parametrize("cluster", [[], ["horizontal"]])
def test_jobs_and_clusters_share_one_environment_that_is_made_once(bench: Bench, cluster: list[str]) -> None:
    tasks = [greeting(f"t{n}") for n in range(4)]
    made = bench.plan(
        *tasks, cluster=cluster, properties={"pegasus.clusters.num": "1"}, output_dir=bench.path / "out"
    )
    submit_dir = made.planned.submit_dir
    assert submit_dir is not None

    assert "success" == run(submit_dir, RunOptions(cores=4)).state
    assert "from the environment\n" * 4 == "".join(f.read_text() for f in (bench.path / "out").glob("t*.txt"))
    assert ["venv", "pip"] == calls(bench)
    with_one = [
        e.record for e in records_of(submit_dir / "journal.jsonl", AttemptEnd) if e.record.get("environments")
    ]
    assert {"requirements.txt"} == {record["environments"][0]["file"] for record in with_one}
    shown = operations.trace(submit_dir, "t0.txt").text()
    assert "with environment requirements.txt (pip, Python" in shown


def test_an_environment_that_cannot_be_made_is_the_error_of_the_job(bench: Bench) -> None:
    (bench.path / "fails").touch()
    made = bench.plan(*[greeting(f"t{n}") for n in range(3)], properties={"dagman.retry": "0"})
    submit_dir = made.planned.submit_dir
    assert submit_dir is not None

    found = run(submit_dir, RunOptions(cores=1))
    assert {"environment"} == {failure.error["kind"] for failure in found.failed} and len(found.failed) == 3
    assert ["venv", "pip"] == calls(bench)
    (bench.path / "fails").unlink()
    assert "success" == run(submit_dir, RunOptions(cores=1)).state


def test_a_result_is_reused_as_long_as_its_environment_is_the_same(bench: Bench) -> None:
    def plan() -> list[str]:
        made = bench.plan(greeting("t"), properties={"markab.reuse.policy": "content"})
        assert made.planned.submit_dir is not None
        assert "success" == run(made.planned.submit_dir, RunOptions(cores=1)).state
        return [name for name in made.names() if name.startswith("tool")]

    assert [["tool_t"], []] == [plan(), plan()]
    (bench.path / "requirements.txt").write_text("greet==2\n")
    assert ["tool_t"] == plan()
