"""The program `pegasus-transfer`: what is tried again, and what is not."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from markab.errors import MarkabError, TransferRefused, TransferUnavailable
from markab.transfers import pegasus_transfer

ENTRIES = {
    "mkdir": {"type": "mkdir", "id": 1, "target": {"site_label": "s", "url": "far://h/d"}},
    "remove": {
        "type": "remove",
        "id": 1,
        "target": {"site_label": "s", "url": "far://h/d", "recursive": "true"},
    },
}


class Far:
    """A scheme that fails so many times."""

    def __init__(self, failures: int, error: type[MarkabError]) -> None:
        self.left = failures
        self.error = error
        self.calls: list[tuple[object, ...]] = []

    def mkdir(self, url: str, *, site: str) -> None:
        self._called("mkdir", url, site)

    def remove(self, url: str, recursive: bool, *, site: str) -> None:
        self._called("remove", url, recursive, site)

    def _called(self, *call: object) -> None:
        self.calls.append(call)
        self.left -= 1
        if self.left >= 0:
            raise self.error("not now", "wait")


def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str, far: Far, *options: str
) -> tuple[int, list[float]]:
    (tmp_path / "in.json").write_text(json.dumps([ENTRIES[entry]]))
    pauses: list[float] = []
    monkeypatch.setattr(pegasus_transfer, "handler_for", lambda url: far)
    monkeypatch.setattr(pegasus_transfer.time, "sleep", pauses.append)
    return pegasus_transfer.main(["-f", str(tmp_path / "in.json"), *options]), pauses


@pytest.mark.parametrize("endless", ["/dev/zero", "pipe"])
def test_a_list_is_not_read_from_what_has_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], endless: str
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    assert pegasus_transfer.main(["-f", endless]) == 1
    printed = capsys.readouterr().err
    assert f"cannot read '{endless}': Not a regular file" in printed
    assert "give it as standard input, with -f -" in printed


@pytest.mark.parametrize("name", ["in.json", "-"])
def test_what_is_wrong_in_a_list_is_said_with_the_name_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.json").write_text("[1]")
    monkeypatch.setattr("sys.stdin", io.StringIO("[1]"))

    assert pegasus_transfer.main(["-f", name]) == 10
    assert ("in.json" in capsys.readouterr().err) == (name == "in.json")


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_directory_is_tried_again_after_growing_pauses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    far = Far(2, TransferUnavailable)

    code, pauses = run(tmp_path, monkeypatch, entry, far)

    call = ("mkdir", "far://h/d", "s") if entry == "mkdir" else ("remove", "far://h/d", True, "s")
    assert code == 0 and far.calls == [call] * 3
    assert len(pauses) == 2 and 0 < pauses[0] < pauses[1]


@pytest.mark.parametrize("entry", ENTRIES)
def test_after_the_last_try_a_directory_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str, capsys: pytest.CaptureFixture[str]
) -> None:
    far = Far(9, TransferUnavailable)

    code, pauses = run(tmp_path, monkeypatch, entry, far, "-m", "2")

    captured = capsys.readouterr()
    assert code == 1 and len(far.calls) == 2 and len(pauses) == 1
    assert captured.err == "error: not now\n  hint: wait\n" and ", 1 failed" in captured.out


@pytest.mark.parametrize("entry", ENTRIES)
def test_what_is_refused_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str, capsys: pytest.CaptureFixture[str]
) -> None:
    far = Far(1, TransferRefused)

    code, pauses = run(tmp_path, monkeypatch, entry, far)

    assert code == 1 and len(far.calls) == 1 and pauses == []
    assert "not now" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("elapsed_s", "failed", "line"),
    [
        (2.0, 0, "2 of 2 files, 5.0 KB in 2.00 s (2.5 KB/s)\n"),
        (0.5, 1, "2 of 3 files, 5.0 KB in 0.50 s (10.0 KB/s), 1 failed\n"),
        (0.0, 0, "2 of 2 files, 5.0 KB in 0.00 s (5.0 GB/s)\n"),
    ],
)
def test_the_summary_counts_what_arrived_and_how_fast(elapsed_s: float, failed: int, line: str) -> None:
    results = [{"bytes": 2000}, {"bytes": 3000}, *[{"bytes": 7, "error": "x"}] * failed]
    out = io.StringIO()

    pegasus_transfer._summarize(results, elapsed_s, failed, out)

    assert out.getvalue() == line


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KB"),
        (999_900, "999.9 KB"),
        (1e6, "1.0 MB"),
        (1e9, "1.0 GB"),
        (2.5e12, "2.5 TB"),
        (4e15, "4000.0 TB"),
    ],
)
def test_sizes_have_units_of_a_thousand(size_bytes: float, text: str) -> None:
    assert text == pegasus_transfer._in_units(size_bytes)
