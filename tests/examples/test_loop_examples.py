"""The loops of `examples/` are run, and come to the result of a plain loop."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from integration.tools import environment, markab

EXAMPLES = Path(__file__).parents[2] / "examples"
ROOT_OF_TWO = 2**0.5

pytestmark = pytest.mark.integration


def script(name: str, *words: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *words],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run(cwd: Path) -> None:
    markab("run", "-s", "local", "--dir", "runs", "--output-dir", "results", "workflow.yml", cwd=cwd)


def test_a_chain_of_rounds_that_was_written_out_comes_to_the_root(tmp_path: Path) -> None:
    script("loops/unrolled.py", "5", cwd=tmp_path)

    run(tmp_path)

    (result,) = (tmp_path / "results").iterdir()
    assert result.name == "x5.txt" and float(result.read_text()) == pytest.approx(ROOT_OF_TWO)


def test_a_loop_around_workflows_ends_when_a_result_says_so(tmp_path: Path) -> None:
    said = script("loops/while_loop.py", cwd=tmp_path)

    assert said.endswith(" after 5 rounds\n")
    assert float((tmp_path / "results" / "x5.txt").read_text()) == pytest.approx(ROOT_OF_TWO)


def test_rounds_that_write_the_next_one_end_by_themselves(tmp_path: Path) -> None:
    script("loops/self_written.py", cwd=tmp_path)

    run(tmp_path)

    (result,) = (tmp_path / "results").iterdir()
    assert result.name == "root.txt" and float(result.read_text()) == pytest.approx(ROOT_OF_TWO)
    assert len(list((tmp_path / "runs").rglob("plan.jsonl"))) == 6, "one run and five levels below it"


def test_federated_rounds_give_the_weights_of_a_plain_loop(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    script("federated/workflow.py", cwd=tmp_path)

    run(tmp_path)

    sys.path.insert(0, str(EXAMPLES / "federated" / "bin"))
    try:
        from model import averaged, descended  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)
    sites = [
        numpy.loadtxt(tmp_path / f"data-{site}.csv", delimiter=",", skiprows=1, unpack=True) for site in "abc"
    ]
    weights = numpy.zeros(2)
    for _ in range(3):
        weights = averaged([numpy.append(descended(weights, x, y), len(x)) for x, y in sites])
    found = numpy.load(tmp_path / "results" / "weights3.npy")
    assert (found == weights).all()
    assert len(list((tmp_path / "runs").rglob("plan.jsonl"))) == 4
