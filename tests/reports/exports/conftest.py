from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.made_run import T0, began, compute, end, engine_alive, failed, make_run, retry, start
from markab.plan.model import Input, Output
from reports.exports.odd_run import run_odd_names
from reports.exports.real_run import add_document, plan, run


@pytest.fixture(scope="session")
def failed_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("exports") / "w")


@pytest.fixture(scope="session")
def planned_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plan(tmp_path_factory.mktemp("exports") / "p")


@pytest.fixture(scope="session")
def odd_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_odd_names(tmp_path_factory.mktemp("exports") / "o")


@pytest.fixture
def running_run(tmp_path: Path) -> Iterator[Path]:
    """One job done, one failed and tried again at this moment, one waiting."""
    ran = [{"task": "a", "argv": ["wc"], "start": T0, "duration_s": 0.5, "status": 0}]
    jobs = [
        compute("a", inputs=[Input("in")], outputs=[Output("x")]),
        compute("b", 0, inputs=[Input("x")], outputs=[Output("y")], retries=1),
        compute("c", 1, inputs=[Input("y")]),
    ]
    entries = [
        began(),
        start(0),
        end(0, invocations=ran, outputs=[{"lfn": "x", "size": 7, "sha256": "ab" * 32}]),
        start(1),
        failed(1, invocations=[ran[0] | {"task": "b", "status": 768}]),
        retry(1),
        start(1, 2),
    ]
    submit_dir = add_document(make_run(tmp_path / "running", jobs, entries))
    with engine_alive(submit_dir):
        yield submit_dir
