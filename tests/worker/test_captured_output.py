"""What tasks print, kept short."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markab.worker import captured_output
from markab.worker.captured_output import (
    IN_RECORD_BYTES,
    KEPT_BYTES,
    Capture,
    describe_stream,
    end_of_text,
    find_messages,
    write_shortened,
)


@pytest.fixture
def capture(tmp_path: Path):  # type: ignore[no-untyped-def]
    made = Capture(str(tmp_path))
    yield made
    made.close()


def test_a_capture_has_no_name_and_can_be_used_again(capture: Capture, tmp_path: Path) -> None:
    assert os.listdir(tmp_path) == []
    os.write(capture.fd, b"first")
    capture.empty()
    os.write(capture.fd, b"2nd")
    assert captured_output.short_text(capture.fd, capture.size()) == "2nd"


@pytest.mark.parametrize("closed", [(0, 1, 2), (2,)])
def test_a_capture_never_has_the_number_of_a_standard_stream(tmp_path: Path, closed: tuple[int, ...]) -> None:
    """Else the task that gets it as its stdout would lose what it prints to stderr, or the other way round."""
    kept = {number: os.dup(number) for number in closed}
    try:
        for number in kept:
            os.close(number)
        numbers = []
        for _ in range(2):
            numbers.append(Capture(str(tmp_path)).fd)
    finally:
        for number, fd in kept.items():
            os.dup2(fd, number)
            os.close(fd)

    assert all(number > 2 for number in numbers), numbers
    for number in numbers:
        assert not os.get_inheritable(number)
        os.close(number)


@pytest.mark.parametrize("extra", [-1, 0])
def test_up_to_the_limit_everything_is_kept(capture: Capture, tmp_path: Path, extra: int) -> None:
    os.write(capture.fd, b"x" * (KEPT_BYTES + extra))
    write_shortened(capture.fd, capture.size(), str(tmp_path / "a/b/out"))
    assert (tmp_path / "a/b/out").read_bytes() == b"x" * (KEPT_BYTES + extra)


def test_beyond_it_the_line_in_the_middle_says_how_much_is_gone(capture: Capture, tmp_path: Path) -> None:
    os.write(capture.fd, b"a" * KEPT_BYTES + b"b")
    write_shortened(capture.fd, capture.size(), str(tmp_path / "out"))
    first, line, last = (tmp_path / "out").read_bytes().split(b"\n")
    assert first == b"a" * (KEPT_BYTES // 2)
    assert line == b"[... 1 of %d bytes left out ...]" % (KEPT_BYTES + 1)
    assert last == b"a" * (KEPT_BYTES // 2 - 1) + b"b"


def test_what_cannot_be_kept_leaves_nothing_half_written(
    capture: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.write(capture.fd, b"x" * 10000)

    def fail(*_: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(captured_output.os, "pread", fail)
    with pytest.raises(OSError, match="No space"):
        write_shortened(capture.fd, 10000, str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@settings(deadline=None)  # the machine may be busy
@given(st.binary(max_size=60), st.lists(st.text("ab", min_size=1, max_size=5)), st.integers(1, 7))
def test_messages_are_found_across_blocks(data: bytes, messages: list[str], block: int) -> None:
    data = bytes(b"ab"[byte % 2] for byte in data)
    original = captured_output._BLOCK_BYTES
    captured_output._BLOCK_BYTES = block
    fd = os.memfd_create("x")
    try:
        os.write(fd, data)
        assert find_messages(messages, [fd]) == {message for message in messages if message.encode() in data}
    finally:
        captured_output._BLOCK_BYTES = original
        os.close(fd)


@pytest.mark.parametrize(
    ("size_bytes", "keys"),
    [
        (0, set()),
        (1, {"stdout"}),
        (IN_RECORD_BYTES, {"stdout"}),
        (IN_RECORD_BYTES + 1, {"stdout_file"}),
        (KEPT_BYTES, {"stdout_file"}),
        (KEPT_BYTES + 1, {"stdout_file", "stdout_bytes"}),
    ],
)
def test_short_output_is_in_the_record_and_long_output_beside_it(
    capture: Capture, tmp_path: Path, size_bytes: int, keys: set[str]
) -> None:
    os.write(capture.fd, b"x" * size_bytes)

    described = describe_stream("stdout", capture.fd, str(tmp_path), "out")

    values = {"stdout": "x" * size_bytes, "stdout_file": "out", "stdout_bytes": size_bytes}
    assert described == {key: values[key] for key in keys}
    assert (tmp_path / "out").exists() == ("stdout_file" in keys)


def test_of_output_that_cannot_be_kept_the_record_has_the_beginning_and_the_size(
    capture: Capture, tmp_path: Path
) -> None:
    os.write(capture.fd, b"a" * IN_RECORD_BYTES + b"b")

    described = describe_stream("stderr", capture.fd, str(tmp_path / "none/\0"[:-1]), "x" * 300)

    text = "a" * IN_RECORD_BYTES + "\n[the rest could not be kept: File name too long]\n"
    assert described == {"stderr": text, "stderr_bytes": IN_RECORD_BYTES + 1}


@pytest.mark.parametrize("more", [0, 1])
def test_of_a_log_the_end_is_kept_and_its_size_if_that_is_not_all(capture: Capture, more: int) -> None:
    os.write(capture.fd, b"b" * more + b"a" * IN_RECORD_BYTES)

    end = end_of_text(capture.fd)

    assert end == {"text": "a" * IN_RECORD_BYTES, **({"bytes": IN_RECORD_BYTES + 1} if more else {})}
