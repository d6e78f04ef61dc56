from __future__ import annotations

from pathlib import Path

import pytest

from kit.made_run import began, compute, end, ended, engine_alive, make_run, start
from markab.cli.status import watch
from markab.journal.run_reader import RunReader
from markab.journal.writer import encode
from markab.reports.status import current_status

FLAGS = {"as_json": False, "long": False, "noqueue": True, "legend": False, "dirs": False}


def test_watching_goes_on_until_the_run_is_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path, [compute("a")], [began()])
    run = RunReader(tmp_path)
    news = [[start(0)], [end(0), ended("success")]]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        with (tmp_path / "journal.jsonl").open("ab") as file:
            file.write(b"".join(map(encode, news.pop(0))))

    lives = engine_alive(tmp_path)
    with lives:
        reads = [0]

        def read():  # type: ignore[no-untyped-def]
            reads[0] += 1
            if reads[0] == 3:
                (tmp_path / "lock").rename(tmp_path / "released")  # the engine is gone
            return current_status(run)

        watch(read, FLAGS, 7.0, sleep)
    assert slept == [7.0, 7.0]
    out = capsys.readouterr().out
    assert out.count("Running:1") == 2 and out.count("Success:1") == 1
    assert "\033" not in out, "no terminal, nothing to draw over"
