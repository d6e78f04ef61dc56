from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from kit.made_run import began, compute, end, ended, engine_alive, make_run, start
from markab import operations
from markab.cli.main import markab
from markab.journal.writer import encode


def test_watching_goes_on_until_the_run_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(tmp_path, [compute("a")], [began()])
    news = [[start(0)], [end(0), ended("success")]]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        with (tmp_path / "journal.jsonl").open("ab") as file:
            file.write(b"".join(map(encode, news.pop(0))))
        if not news:
            (tmp_path / "lock").rename(tmp_path / "released")  # the engine is gone

    monkeypatch.setattr(operations, "wait", partial(operations.wait, sleep=sleep))
    with engine_alive(tmp_path):
        out = CliRunner().invoke(markab, ["status", "-w", "7", str(tmp_path)], catch_exceptions=False).output

    assert slept == [7.0, 7.0]
    assert out.count("Running:1") == 2 and out.count("Success:1") == 1
    assert "\033" not in out, "no terminal, nothing to draw over"
