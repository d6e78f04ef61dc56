from __future__ import annotations

import os
import socket
import time
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from markab.cli import keg_program
from markab.cli.keg_program import KegError, main, read_words, sizes_of


def keg(*words: str) -> int:
    return main("pegasus-keg", list(words))


def test_every_output_gets_all_inputs_and_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLOUR", "blue")
    Path("a").write_text("one\ntwo\n")
    Path("b").write_bytes(b"\xff no text")
    assert keg("-a", "analyze", "-i", "a", "b", "-o", "x", "y", "-e", "COLOUR", "-p", "1", "-5") == 0
    for name in ("x", "y"):
        text = Path(name).read_bytes()
        assert text.startswith(
            b"--- start a ----\n  one\n  two\n--- final a ----\n--- start b ----\n  \xff no text\n"
        )
        for line in (
            b"Applicationname: analyze @ ",
            b"Input Filenames: a b",
            b"Other Arguments: 1 -5",
            b"COLOUR=blue",
        ):
            assert line in text
        assert f"Output Filename: {name}".encode() in text


def test_options_may_come_again_and_values_may_be_joined() -> None:
    options = read_words(["-ia", "b", "-o", "x", "-i", "c", "-T5"])
    assert options == {"i": ["a", "b", "c"], "o": ["x"], "T": ["5"]}


def test_sizes_make_outputs_of_that_size(tmp_path: Path) -> None:
    big, second = tmp_path / "big", tmp_path / "second"
    assert keg("-o", f"{big}=3M", str(second), "-G", "1", "2", "-u", "K") == 0
    assert big.stat().st_size == 3 << 20
    assert second.stat().st_size == 2 << 10


def test_a_file_name_with_an_equals_sign_is_a_file_name() -> None:
    assert sizes_of({"o": ["a=b", "c=7"]}) == [("a=b", None), ("c", 7)]


def test_the_prefix_is_put_before_copied_lines(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one\n")
    keg("-i", str(tmp_path / "a"), "-P", "> ", "-o", str(tmp_path / "x"))
    assert "\n> one\n" in (tmp_path / "x").read_text()


def test_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert keg("-i", str(tmp_path / "gone"), "-o", "-") == 1
    assert keg("-o", str(tmp_path / "no" / "dir")) == 2
    assert keg("-T", "much") == 2
    assert keg("stray") == 2
    assert keg("-a") == 2
    assert keg("-T", "0.05", "-t", "0.01") == 3
    assert "took longer than -t" in capsys.readouterr().err


def test_a_full_disk_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    assert keg("-o", "/dev/full") == 2
    assert "No space left" in capsys.readouterr().err


def test_it_is_busy_for_a_time_and_sleeps_for_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, naps = count(100), list[float]()
    fakes = {"monotonic": lambda: float(next(clock)), "sleep": naps.append}
    monkeypatch.setattr(keg_program, "time", SimpleNamespace(**{**vars(time), **fakes}))

    assert keg("-T", "10", "-t", "25") == 0
    assert naps == [125 - 111], "each look at the clock took a second; the one at 110 ended its work"


def test_notes_are_appended_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    keg("-l", str(log))
    keg("-l", str(log))
    assert log.read_text().count("Applicationname:") == 2


def test_a_stray_word_is_named() -> None:
    with pytest.raises(KegError, match="'stray' belongs to no option"):
        read_words(["-T", "5", "stray"])


def test_a_host_without_a_network_has_no_address_and_all_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", unreachable)
    monkeypatch.chdir(tmp_path)

    assert keg_program._address() == "0.0.0.0"
    assert keg("-o", "x") == 0 and "0.0.0.0" in Path("x").read_text()
