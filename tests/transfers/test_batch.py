"""The files of one transfer job: failover, retries, threads, and what is said of each."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from kit.waiting import PATIENCE_S
from markab.errors import DocumentError, MarkabError, StorageError, TransferRefused, TransferUnavailable
from markab.transfers import base, pegasus_transfer
from markab.transfers.base import FileRequest, Moved, Outcome, Scheme, register_scheme
from markab.transfers.batch import move_all, pause_after
from markab.transfers.checksum import Verified
from markab.transfers.http_request import Busy
from markab.transfers.transfer_list import read_work


class Far(Scheme):
    """A store in memory whose next answers can be set: errors are raised once each, in order."""

    name = "far"

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.errors: dict[str, list[Exception]] = {}
        self.asked: list[str] = []
        self.alive = self.most_alive = 0
        self.threads: list[int] = []
        self.changed = threading.Condition()
        self.company = 0
        """A call ends only once so many have been under way at once."""

    def get(self, url: str, path: str, **options: Any) -> Moved:
        with self.changed:
            self.asked.append(url)
            self.threads.append(threading.get_ident())
            self.alive += 1
            self.most_alive = max(self.alive, self.most_alive)
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.most_alive >= self.company, PATIENCE_S)
            self.alive -= 1
            if self.errors.get(url):
                raise self.errors[url].pop(0)
        if url not in self.files:
            raise TransferRefused(f"'{url}' is not there")
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(self.files[url])
        return Moved(len(self.files[url]), hashlib.sha256(self.files[url]).hexdigest())

    def put(self, path: str, url: str, **options: Any) -> Moved:
        self.files[url] = Path(path).read_bytes()
        return Moved(len(self.files[url]))


@pytest.fixture
def far() -> Iterator[Far]:
    scheme = Far()
    register_scheme("far", scheme)
    yield scheme
    del base._registry["far"]


def item(lfn: str, sources: list[Any], destinations: list[Any], **more: Any) -> dict[str, Any]:
    def places(urls: list[Any]) -> list[dict[str, str]]:
        return [{"site": "s", "url": str(url)} for url in urls]

    return {"lfn": lfn, "sources": places(sources), "destinations": places(destinations), **more}


class Sleeper(list):  # type: ignore[type-arg]
    """Remembers how long it should have slept."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def run(
    *items: dict[str, Any], attempts: int = 3, threads: int = 2, **more: Any
) -> tuple[list[dict[str, Any]], Sleeper]:
    sleeper = Sleeper()
    more = {"stop": None, "allow_links": False, "verified": Verified(), "durable": False, **more}
    return move_all(items, threads, attempts, sleep=sleeper, random=lambda: 0.0, **more), sleeper


def gone(text: str = "no answer") -> TransferUnavailable:
    return TransferUnavailable(text)


def test_every_destination_gets_the_file(tmp_path: Path, far: Far) -> None:
    far.files["far://a"] = b"data"

    [result], _ = run(item("a", ["far://a"], [tmp_path / "1", "far://copy", f"file://{tmp_path}/2"]))

    assert (
        (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes() == far.files["far://copy"] == b"data"
    )
    assert far.asked == ["far://a"]
    assert result["bytes"] == 4 and result["sha256"] == hashlib.sha256(b"data").hexdigest()
    assert "error" not in result


def test_a_move_waits_until_the_other_destinations_have_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")

    [result], _ = run(item("a", [tmp_path / "a"], [f"moveto://{tmp_path}/1", tmp_path / "2"]))

    assert "error" not in result
    assert sorted(os.listdir(tmp_path)) == ["1", "2"]


def test_two_far_ends_are_joined_by_a_temporary_file(
    tmp_path: Path, far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    far.files["far://a"] = b"data"

    [result], _ = run(item("a", ["far://a"], ["far://b"]))

    assert far.files["far://b"] == b"data" and "error" not in result
    assert os.listdir(tmp_path) == []


def test_a_source_that_is_gone_falls_over_to_the_next_at_once(tmp_path: Path, far: Far) -> None:
    far.files["far://2"] = b"data"

    [result], slept = run(item("a", ["far://1", "far://2"], [tmp_path / "a"]))

    assert (result["source"], result["attempts"], slept) == ("far://2", 2, [])
    assert "error" not in result


def test_a_source_refused_once_is_never_asked_again(tmp_path: Path, far: Far) -> None:
    far.files["far://2"] = b"data"
    far.errors["far://2"] = [gone(), gone()]

    run(item("a", ["far://1", "far://2"], [tmp_path / "a"]))

    assert far.asked == ["far://1", "far://2", "far://2", "far://2"]


def test_a_passing_failure_is_tried_again_after_growing_pauses(tmp_path: Path, far: Far) -> None:
    far.files["far://a"] = b"data"
    far.errors["far://a"] = [gone(), gone(), gone()]

    [result], slept = run(item("a", ["far://a"], [tmp_path / "a"]), attempts=5)

    assert slept == [0.5, 1.0, 2.0]
    assert result["attempts"] == 4 and "error" not in result


def test_pauses_end_growing_at_a_minute() -> None:
    assert [pause_after(n, 0.0) for n in (1, 7, 8, 5000)] == [0.5, 32.0, 60.0, 60.0]
    assert 0.5 < pause_after(1, 0.9) < 0.75


def test_a_server_may_ask_for_a_longer_pause(tmp_path: Path, far: Far) -> None:
    busy = Busy("503")
    busy.retry_after_s = 9.0
    far.files["far://a"] = b"data"
    far.errors["far://a"] = [busy]

    assert run(item("a", ["far://a"], [tmp_path / "a"]))[1] == [9.0]


def test_after_the_last_round_the_failure_is_reported(tmp_path: Path, far: Far) -> None:
    far.files["far://ok"] = b"data"
    far.errors["far://ada:hush@h/a"] = [gone("no 'far://ada:hush@h/a'")] * 2

    results, slept = run(
        item("a", ["far://ada:hush@h/a"], [tmp_path / "a"]),
        item("b", ["far://ok"], [tmp_path / "b"]),
        attempts=2,
    )

    assert results[0]["error"] == {"kind": "transfer", "message": "no 'far://h/a'"}
    assert "error" not in results[1] and len(slept) == 1
    assert "hush" not in json.dumps(results)


def test_a_wrong_checksum_of_a_local_file_goes_to_the_next_source(tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("bad")
    (tmp_path / "good").write_text("good")
    sha256 = hashlib.sha256(b"good").hexdigest()

    [fine, wrong], slept = run(
        item("a", [tmp_path / "bad", tmp_path / "good"], [tmp_path / "a"], sha256=sha256),
        item("b", [tmp_path / "bad"], [tmp_path / "b"], sha256=sha256),
    )

    assert (tmp_path / "a").read_text() == "good" and "error" not in fine
    assert wrong["error"]["kind"] == "checksum" and sha256 in wrong["error"]["message"]
    assert not (tmp_path / "b").exists() and slept == []


def test_a_full_disk_is_reported_as_such_and_no_other_source_is_tried(tmp_path: Path, far: Far) -> None:
    far.errors["far://1"] = [StorageError("disk full", "df -h")]

    [result], slept = run(item("a", ["far://1", "far://2"], [tmp_path / "a"]))

    assert result["error"] == {"kind": "storage", "message": "disk full", "hint": "df -h"}
    assert far.asked == ["far://1"] and slept == []


def test_a_bug_in_a_scheme_fails_one_file_only(tmp_path: Path, far: Far) -> None:
    far.files["far://b"] = b"data"
    far.errors["far://a"] = [ZeroDivisionError("oops")]

    results, _ = run(item("a", ["far://a"], [tmp_path / "a"]), item("b", ["far://b"], [tmp_path / "b"]))

    assert "oops" in results[0]["error"]["message"] and "error" not in results[1]


def test_an_unknown_scheme_and_an_item_without_a_source_are_errors_of_their_item(tmp_path: Path) -> None:
    results, _ = run(item("a", ["gopher://h/x"], [tmp_path / "a"]), item("b", [], [tmp_path / "b"]))

    assert "unsupported URL scheme 'gopher'" in results[0]["error"]["message"]
    assert "no source" in results[1]["error"]["message"]


def test_files_move_at_the_same_time_and_alone_from_the_third_round_on(tmp_path: Path, far: Far) -> None:
    far.company = 3
    items = [item(str(n), [f"far://{n}"], [tmp_path / str(n)]) for n in range(4)]
    for n in range(4):
        far.files[f"far://{n}"] = b"x"
        far.errors[f"far://{n}"] = [gone(), gone()]

    at_once: list[int] = []

    def note(seconds: float) -> None:
        at_once.append(far.most_alive)
        far.most_alive = 0
        far.company = 3 if len(at_once) == 1 else 1
        far.threads.clear()

    move_all(items, 3, 3, None, False, None, sleep=note)

    assert [*at_once, far.most_alive] == [3, 3, 1]
    assert far.threads == [threading.get_ident()] * 4, "no thread is started for the third round"


def test_of_equal_failures_that_of_the_first_source_is_reported(tmp_path: Path, far: Far) -> None:
    far.errors["far://1"], far.errors["far://2"] = [gone("first")], [gone("second")]

    [result], _ = run(item("a", ["far://1", "far://2"], [tmp_path / "a"]), attempts=1)

    assert result["error"]["message"] == "first; neither did 1 other source work"


def test_after_a_stop_the_rest_is_cancelled(tmp_path: Path, far: Far) -> None:
    stop = threading.Event()
    far.errors["far://a"] = [gone()]

    def sleep(seconds: float) -> None:
        stop.set()

    results = move_all([item("a", ["far://a"], [tmp_path / "a"])], 1, 9, stop, False, None, sleep=sleep)
    assert far.asked == ["far://a"]
    assert results[0]["error"]["kind"] in ("transfer", "cancelled")

    results = move_all([item("b", ["far://b"], [tmp_path / "b"])], 1, 9, stop, False, None)
    assert results[0]["error"]["kind"] == "cancelled" and far.asked == ["far://a"]


class Convoy(Far):
    """A store that moves up to three files in one call, and notes what each call was asked for."""

    files_a_call = 3

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, list[str], list[str]]] = []

    def get_many(self, requests: Sequence[FileRequest], *args: Any, **named: Any) -> list[Outcome]:
        self.calls.append(("get", [one.url for one in requests], [one.site for one in requests]))
        return super().get_many(requests, *args, **named)

    def put_many(self, requests: Sequence[FileRequest], *args: Any, **named: Any) -> list[Outcome]:
        self.calls.append(("put", [one.url for one in requests], [one.site for one in requests]))
        return super().put_many(requests, *args, **named)


@pytest.fixture
def convoy() -> Iterator[Convoy]:
    scheme = Convoy()
    register_scheme("convoy", scheme)
    yield scheme
    del base._registry["convoy"]


def test_a_scheme_gets_as_many_files_in_a_call_as_it_takes(tmp_path: Path, convoy: Convoy) -> None:
    convoy.files = {f"convoy://{n}": b"%d" % n for n in range(5)}
    convoy.errors["convoy://1"] = [gone()]
    items = [item(str(n), [f"convoy://{n}"], [tmp_path / str(n)]) for n in range(5)]

    results, slept = run(*items, threads=1)

    assert [(tmp_path / str(n)).read_bytes() for n in range(5)] == [b"%d" % n for n in range(5)]
    assert [urls for _, urls, _ in convoy.calls] == [
        ["convoy://0", "convoy://1", "convoy://2"],
        ["convoy://3", "convoy://4"],
        ["convoy://1"],
    ]
    assert [result["attempts"] for result in results] == [1, 2, 1, 1, 1] and len(slept) == 1


def test_batches_are_shared_by_the_threads_and_carry_the_sites_both_ways(
    tmp_path: Path, convoy: Convoy
) -> None:
    paths = [tmp_path / str(n) for n in range(4)]
    for path in paths:
        path.write_text(path.name)
    out = [item(path.name, [path], [f"convoy://out/{path.name}"]) for path in paths]

    results, _ = run(*out, threads=2)
    assert not any("error" in result for result in results)
    assert sorted(convoy.calls) == [
        ("put", ["convoy://out/0", "convoy://out/1"], ["s", "s"]),
        ("put", ["convoy://out/2", "convoy://out/3"], ["s", "s"]),
    ]

    del convoy.calls[:]
    there_and_back = item("0", ["convoy://out/0"], ["convoy://far/0", tmp_path / "back"])
    there_and_back["sources"][0]["site"], there_and_back["destinations"][0]["site"] = "from", "to"
    assert "error" not in run(there_and_back)[0][0]
    assert convoy.calls == [("get", ["convoy://out/0"], ["from"]), ("put", ["convoy://far/0"], ["to"])]


def test_a_scheme_that_forgets_files_of_a_batch_fails_them(tmp_path: Path, convoy: Convoy) -> None:
    convoy.get_many = lambda *args: []  # type: ignore[method-assign]

    results, _ = run(item("a", ["convoy://a"], [tmp_path / "a"]), attempts=1)

    assert "reports on 0 of 1 files" in results[0]["error"]["message"]


def test_a_link_needs_both_the_item_and_the_caller(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("x")

    results, _ = run(
        item("a", [tmp_path / "s"], [tmp_path / "a"], link=True),
        item("b", [tmp_path / "s"], [tmp_path / "b"]),
        allow_links=True,
    )
    run(item("c", [tmp_path / "s"], [tmp_path / "c"], link=True))

    assert [(tmp_path / name).is_symlink() for name in "abc"] == [True, False, False]
    assert results[0]["link"] == "symlink" and "link" not in results[1]


def test_links_can_be_exempt_from_checksums(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("x")
    one = item("a", [tmp_path / "s"], [tmp_path / "a"], link=True, sha256="0" * 64)

    assert "error" not in run(one, allow_links=True, verify_links=False)[0][0]
    assert run(one, allow_links=True)[0][0]["error"]["kind"] == "checksum"


def test_ten_tiny_copies_start_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(10):
        (tmp_path / f"s{n}").write_text("x")

    def no_thread(*args: object, **options: object) -> None:
        raise AssertionError("a thread was started")

    monkeypatch.setattr(threading, "Thread", no_thread)
    results, _ = run(
        *[item(str(n), [tmp_path / f"s{n}"], [tmp_path / f"d{n}"]) for n in range(10)], threads=8
    )

    assert [result.get("error") for result in results] == [None] * 10


EXAMPLE = """[
 {"type": "mkdir", "id": 1, "target": {"site_label": "local", "url": "file://DIR/run"}},
 {"type": "transfer", "linkage": "input", "lfn": "book.txt", "id": 2,
  "src_urls": [{"site_label": "web", "url": "DIR/none", "priority": 5},
               {"site_label": "local", "url": "file://DIR/book", "priority": 50}],
  "dest_urls": [{"site_label": "local", "url": "file://DIR/run/book.txt"}]},
 {"type": "remove", "id": 3, "target": {"site_label": "local", "url": "file://DIR/tmp", "recursive": "True"}}
]"""


def test_the_tool_makes_moves_and_removes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "book").write_text("text")
    (tmp_path / "tmp" / "x").mkdir(parents=True)
    (tmp_path / "in.json").write_text(EXAMPLE.replace("DIR", str(tmp_path)))

    assert pegasus_transfer.main(["-f", str(tmp_path / "in.json"), "-d", "-n", "2"]) == 0

    out = capsys.readouterr().out
    assert f"{tmp_path}/book -> {tmp_path}/run/book.txt  (4 bytes" in out
    assert "1 of 1 files, 4 B in " in out
    assert (tmp_path / "run" / "book.txt").read_text() == "text" and not (tmp_path / "tmp").exists()


def test_the_tool_reads_the_old_form_from_standard_input_and_fails_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import io

    (tmp_path / "s").write_text("text")
    text = f"# src 1 local\n{tmp_path}/s\n# dst 1 local\nsymlink://{tmp_path}/d\n# src 2 l\n/none\n# dst 2 l\n{tmp_path}/e\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(text))

    assert pegasus_transfer.main(["-m", "1", "-s"]) == 1

    captured = capsys.readouterr()
    assert (tmp_path / "d").is_symlink()
    assert "error: 'none' did not arrive: '/none'" in captured.err and "1 failed" in captured.out


def test_the_tool_prints_no_character_from_outside_that_controls_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = tmp_path / "\x1b[2J\x9b\u202e日本"
    odd.write_text("text")
    text = f"# src 1 l\n{odd}\n# dst 1 l\n{tmp_path}/d\n# src 2 l\n{odd}2\n# dst 2 l\n{tmp_path}/e\n"
    (tmp_path / "list").write_text(text)

    assert pegasus_transfer.main(["-f", str(tmp_path / "list"), "-d", "-m", "1"]) == 1

    captured = capsys.readouterr()
    assert r"\x1b[2J\x9b\u202e日本 -> " in captured.out and r"\x1b[2J\x9b\u202e日本2" in captured.err
    assert all(c == "\n" or c.isprintable() for c in captured.out + captured.err)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[{", "not JSON"),
        ('[{"type": "fly", "id": 7}]', "item 7 .*none of transfer, mkdir, remove"),
        ('[{"type": "mkdir", "id": 1}]', "item 1 .*no 'target'"),
        ("[3]", "item 1"),
        ("file:///x\n", "without a line '# src"),
        ("# src 1 a\nfile:///x\n", "no '# dst 1"),
    ],
)
def test_an_input_that_cannot_be_understood_is_an_error(text: str, message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        read_work(text, "f")


def test_the_tool_reports_wrong_input_and_wrong_options(tmp_path: Path) -> None:
    assert pegasus_transfer.main(["-f", str(tmp_path / "none")]) == 1
    (tmp_path / "bad").write_text("[{")
    assert pegasus_transfer.main(["-f", str(tmp_path / "bad")]) == DocumentError.exit_code
    with pytest.raises(SystemExit):
        pegasus_transfer.main(["-m", "0"])


def test_errors_of_transfers_are_errors_of_markab() -> None:
    assert issubclass(Busy, TransferUnavailable) and issubclass(base.Cancelled, MarkabError)


def test_the_tool_reports_input_that_is_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad").write_bytes(b"[\xff]")
    assert pegasus_transfer.main(["-f", str(tmp_path / "bad")]) == DocumentError.exit_code
    assert "is not UTF-8 text" in capsys.readouterr().err


def test_a_list_nested_too_deep_is_wrong_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "deep").write_text("[" * 100_000)
    assert pegasus_transfer.main(["-f", str(tmp_path / "deep")]) == DocumentError.exit_code
    assert "not JSON" in capsys.readouterr().err
