"""What is read of the output of attempts that have ended, after a part of it was seen."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.made_run import compute, end, make_run, process
from markab.plan.model import Kind, Place, PlannedJob, Transfer
from markab.plan.plan_file import PlanFile
from markab.reports.kept_output import Kept, NotHere, kept_parts, move_to_last_lines, skip_seen
from markab.worker.captured_output import IN_RECORD_BYTES, KEPT_BYTES, Capture, describe_stream

HALF = KEPT_BYTES // 2


def kept(data: bytes, directory: Path) -> Kept:
    """What the worker keeps of these bytes."""
    capture = Capture(str(directory))
    with open(capture.fd, "wb", closefd=False) as file:
        file.write(data)
    record = describe_stream("stdout", capture.fd, str(directory), "long.out")
    capture.close()
    if "stdout" in record:
        text = io.BytesIO(record["stdout"].encode())
        return Kept("", text, record.get("stdout_bytes", 0), is_text=True)
    return Kept("", open(directory / "long.out", "rb"), record.get("stdout_bytes", 0))


def rest(data: bytes, seen: int, directory: Path) -> bytes:
    part = kept(data, directory)
    with part.file:
        return skip_seen(part, seen, data[: min(seen, IN_RECORD_BYTES)]) + part.file.read()


@given(st.text(alphabet="aé€\n", min_size=1, max_size=300), st.integers(0, 300))
def test_of_a_short_text_the_rest_is_what_was_not_seen(
    tmp_path_factory: pytest.TempPathFactory, text: str, seen: int
) -> None:
    seen_text = text[:seen]
    assert (
        rest(text.encode(), len(seen_text.encode()), tmp_path_factory.getbasetemp()).decode() == text[seen:]
    )


def test_bytes_that_are_not_text_are_skipped_as_they_were_seen(tmp_path: Path) -> None:
    assert rest(b"a\xff\xfeb", 3, tmp_path) == b"b"


@pytest.mark.parametrize("seen", [0, 1, 4096, 5000, 200_000, 250_000])
def test_of_a_file_the_rest_is_what_was_not_seen(tmp_path: Path, seen: int) -> None:
    data = bytes(range(33, 98)) * 3846  # 249,990 bytes
    assert rest(data, seen, tmp_path) == data[seen:]


@pytest.mark.parametrize(
    ("seen", "lost"),
    [
        (HALF + 1, 99_999),
        (HALF + 99_000, 1000),
        (HALF + 100_000, 0),
        (HALF + 150_000, 0),
        (2 * HALF + 100_000, 0),
    ],
)
def test_of_a_stream_without_its_middle_what_is_lost_is_counted(tmp_path: Path, seen: int, lost: int) -> None:
    data = b"".join(b"%09d\n" % n for n in range(40_000))[: KEPT_BYTES + 100_000]
    marker = b"\n[... %d of %d bytes left out ...]\n" % (lost, len(data)) if lost else b""
    assert rest(data, seen, tmp_path) == marker + data[max(seen, len(data) - HALF) :]


def test_of_a_stream_of_which_the_beginning_was_seen_the_kept_part_follows(tmp_path: Path) -> None:
    data = bytes(KEPT_BYTES + 100_000)
    whole = rest(data, 0, tmp_path)
    assert rest(data, 1000, tmp_path) == whole[1000:] and b"[... 100000 of" in whole


@given(st.binary(max_size=400).map(lambda data: data.replace(b"\0", b"\n")), st.integers(1, 50))
def test_the_last_lines_are_the_last_lines(data: bytes, lines: int) -> None:
    file = io.BytesIO(data)
    found = move_to_last_lines(file, lines)
    expected = data.split(b"\n")
    whole = [line + b"\n" for line in expected[:-1]] + ([expected[-1]] if expected[-1] else [])
    assert file.read() == b"".join(whole[-lines:]) and found == min(lines, len(whole))


def test_no_line_is_the_end(tmp_path: Path) -> None:
    file = io.BytesIO(b"a\nb\n")
    assert (move_to_last_lines(file, 0), file.read()) == (0, b"")


def test_last_lines_are_found_across_blocks() -> None:
    data = (b"x" * 70_000 + b"\n") * 5
    file = io.BytesIO(data)
    assert move_to_last_lines(file, 2) == 2 and file.read() == data[-2 * 70_001 :]


# -- where it is -----------------------------------------------------------------------------


def parts(run: Path, record: dict[str, Any], stream: str = "stdout") -> list[tuple[str, bytes | str]]:
    plan = PlanFile(run / "plan.jsonl")
    found: list[tuple[str, bytes | str]] = []
    for part in kept_parts(record, stream, plan.job(0), run, plan):
        if isinstance(part, NotHere):
            found.append((part.name, part.why))
        else:
            with part.file:
                found.append((part.name, part.file.read()))
    return found


def a_run(tmp_path: Path, **streams: str) -> Path:
    delivering = PlannedJob(
        "stage_out",
        Kind.STAGE_OUT,
        "local",
        parents=[0],
        transfers=[Transfer("out.txt", [], [Place("local", f"{tmp_path}/results/out.txt")])],
    )
    return make_run(tmp_path / "run", [compute("a", task=streams), delivering])


def test_a_declared_file_is_found_where_it_was_delivered_and_in_scratch(tmp_path: Path) -> None:
    run = a_run(tmp_path, stdout="out.txt")
    record = end(0).record
    ((name, why),) = parts(run, record)
    assert name == "out.txt" and str(why) == f"'{run}/scratch/out.txt': No such file or directory"
    for place in (run / "scratch", tmp_path / "results"):
        place.mkdir()
        (place / "out.txt").write_text(place.name)
        assert parts(run, record) == [("out.txt", place.name.encode())]


def test_what_stands_in_the_way_of_a_declared_file_is_not_opened(tmp_path: Path) -> None:
    import os

    run = a_run(tmp_path, stdout="out.txt")
    (tmp_path / "results").mkdir()
    os.mkfifo(tmp_path / "results/out.txt")
    assert parts(run, end(0).record)[0][0] == "out.txt"


def test_a_stream_that_goes_where_the_other_goes_has_nothing_of_its_own(tmp_path: Path) -> None:
    assert parts(a_run(tmp_path, stdout="out.txt", stderr="out.txt"), end(0).record, "stderr") == []


def test_of_a_failed_attempt_the_record_has_what_went_to_the_declared_file(tmp_path: Path) -> None:
    run = a_run(tmp_path, stdout="out.txt")
    record = end(0, ok=False, stdout="hello", invocations=[process("a", 256)]).record
    assert parts(run, record) == [("out.txt", b"hello")]


def test_long_output_is_in_its_file(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    record = end(0, stdout_file="00/00/wc_a.out.000").record
    assert parts(run, record)[0] == ("", f"'{run}/00/00/wc_a.out.000': No such file or directory")
    (run / "00/00").mkdir(parents=True)
    (run / "00/00/wc_a.out.000").write_text("long")
    assert parts(run, record) == [("", b"long")]


def test_of_a_cluster_that_was_continued_the_last_task_is_found_by_its_id(tmp_path: Path) -> None:
    cluster = compute("a", task={"stdout": "1.txt"})
    cluster.tasks = [*cluster.tasks, *compute("b", task={"stdout": "2.txt"}).tasks]
    run = make_run(tmp_path / "run", [cluster])
    record = end(0, ok=False, stdout="hello", invocations=[process("b", 256)]).record
    assert parts(run, record) == [("2.txt", b"hello")]
