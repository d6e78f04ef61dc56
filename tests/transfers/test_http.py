"""Downloads from a server on this machine that misbehaves in every way we could think of."""

from __future__ import annotations

import base64
import errno
import hashlib
import http.client
import http.server
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from markab.errors import ChecksumMismatch, StorageError, TransferRefused, TransferUnavailable
from markab.transfers.base import Cancelled
from markab.transfers.http import Http
from markab.transfers.http_request import Busy, Wire, _next_hop, _retry_after_s

DATA = os.urandom(300_000)
Answer = Callable[["Handler"], None]


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by the script of the server: one function a request, the last one again and again."""

    server: Scripted

    def do_GET(self) -> None:
        self.server.seen.append((self.path, dict(self.headers)))
        script = self.server.script
        answer = script.pop(0) if len(script) > 1 else script[0]
        answer(self)

    def log_message(self, *args: object) -> None:
        pass

    def head(self, status: int, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()


class Scripted(http.server.ThreadingHTTPServer):
    daemon_threads = True
    script: list[Answer]
    seen: list[tuple[str, dict[str, str]]]
    released: threading.Event
    """Set at the end of the test: handlers that do not answer wait for it."""

    def handle_error(self, *args: object) -> None:
        pass

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/data"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "PEGASUS_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    server = Scripted(("127.0.0.1", 0), Handler)
    server.seen, server.script, server.released = [], [whole], threading.Event()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "in" / "data"


def get(server: Scripted, place: Path, **options: object) -> object:
    return Http(timeout_s=5, pause_s=0.001).get(server.url, str(place), durable=False, **options)  # type: ignore[arg-type]


def whole(handler: Handler, etag: str = '"1"', data: bytes = DATA) -> None:
    handler.head(200, Content_Length=len(data), ETag=etag)
    handler.wfile.write(data)


def cut_at(size: int, etag: str = '"1"') -> Answer:
    def answer(handler: Handler) -> None:
        handler.head(200, Content_Length=len(DATA), ETag=etag)
        handler.wfile.write(DATA[:size])

    return answer


def rest(handler: Handler) -> None:
    start = int(handler.headers["Range"].split("=")[1].rstrip("-"))
    handler.head(
        206,
        Content_Length=len(DATA) - start,
        Content_Range=f"bytes {start}-{len(DATA) - 1}/{len(DATA)}",
        ETag='"1"',
    )
    handler.wfile.write(DATA[start:])


def status(code: int, **headers: object) -> Answer:
    return lambda handler: handler.head(code, Content_Length=0, **headers)


def leftovers(place: Path) -> list[str]:
    return sorted(os.listdir(place.parent)) if place.parent.exists() else []


def test_a_cut_download_is_resumed_where_it_broke(server: Scripted, place: Path) -> None:
    server.script = [cut_at(100_000), rest]

    moved = get(server, place, sha256=hashlib.sha256(DATA).hexdigest())

    assert place.read_bytes() == DATA
    assert server.seen[1][1]["Range"] == "bytes=100000-"
    assert server.seen[1][1]["If-Range"] == '"1"'
    assert moved.sha256 == hashlib.sha256(DATA).hexdigest()  # type: ignore[attr-defined]
    assert leftovers(place) == ["data"]


def test_a_download_that_goes_on_nowhere_is_given_up_after_three_more_connections(
    server: Scripted, place: Path
) -> None:
    def nothing(handler: Handler) -> None:
        handler.head(206, Content_Range=f"bytes 100000-{len(DATA) - 1}/{len(DATA)}", ETag='"1"')

    server.script = [cut_at(100_000), nothing]
    with pytest.raises(TransferUnavailable):
        get(server, place)
    assert len(server.seen) == 4 and leftovers(place) == []

    server.seen.clear()
    server.script = [cut_at(0)]
    with pytest.raises(TransferUnavailable):
        get(server, place)
    assert len(server.seen) == 1, "the caller may have another source"


def test_connections_that_bring_something_are_not_counted(server: Scripted, place: Path) -> None:
    def one_more(handler: Handler) -> None:
        start = int(handler.headers["Range"].split("=")[1].rstrip("-"))
        handler.head(206, Content_Range=f"bytes {start}-{len(DATA) - 1}/{len(DATA)}", ETag='"1"')
        handler.wfile.write(DATA[start : start + 1])

    server.script = [cut_at(100_000), *[one_more] * 5, rest]

    get(server, place)

    assert place.read_bytes() == DATA and len(server.seen) == 7


def test_a_server_that_ignores_range_sends_everything_again(server: Scripted, place: Path) -> None:
    server.script = [cut_at(100_000), whole]

    moved = get(server, place)

    assert place.read_bytes() == DATA
    assert moved.sha256 == hashlib.sha256(DATA).hexdigest()  # type: ignore[attr-defined]


def test_a_file_that_changed_between_two_parts_is_never_mixed(server: Scripted, place: Path) -> None:
    other = bytes(len(DATA))
    server.script = [cut_at(100_000), lambda handler: whole(handler, '"2"', other)]

    get(server, place)

    assert place.read_bytes() == other


def test_a_part_of_another_version_is_not_used(server: Scripted, place: Path) -> None:
    def wrong_version(handler: Handler) -> None:
        handler.head(
            206, Content_Length=200_000, Content_Range=f"bytes 100000-299999/{len(DATA)}", ETag='"2"'
        )
        handler.wfile.write(bytes(200_000))

    server.script = [cut_at(100_000), wrong_version, whole]

    get(server, place)

    assert place.read_bytes() == DATA


def test_a_part_that_starts_elsewhere_is_not_used(server: Scripted, place: Path) -> None:
    def wrong_start(handler: Handler) -> None:
        size = len(DATA) - 100_000
        handler.head(206, Content_Length=size, Content_Range=f"bytes 5-{size + 4}/{len(DATA)}", ETag='"1"')
        handler.wfile.write(DATA[5 : size + 5])

    server.script = [cut_at(100_000), wrong_start, whole]

    get(server, place)

    assert place.read_bytes() == DATA


def test_without_etag_or_date_the_download_starts_again(server: Scripted, place: Path) -> None:
    def no_validator(handler: Handler) -> None:
        handler.head(200, Content_Length=len(DATA))
        handler.wfile.write(DATA[:100_000])

    server.script = [no_validator, whole]

    get(server, place)

    assert "Range" not in server.seen[1][1]
    assert place.read_bytes() == DATA


def test_a_server_that_announces_too_much_never_yields_a_file(server: Scripted, place: Path) -> None:
    server.script = [cut_at(1000)]

    with pytest.raises(TransferUnavailable, match="cut after 1000 of 300000 bytes"):
        get(server, place)

    assert leftovers(place) == []


def test_a_wrong_checksum_leaves_nothing(server: Scripted, place: Path) -> None:
    with pytest.raises(ChecksumMismatch, match="127.0.0.1") as caught:
        get(server, place, sha256="0" * 64)

    assert caught.value.hint.startswith(f"curl -sL '{server.url}' | sha256sum;")
    assert leftovers(place) == []


def test_chunks_arrive_whole_and_cut_chunks_do_not(server: Scripted, place: Path) -> None:
    def chunked(end: bytes) -> Answer:
        def answer(handler: Handler) -> None:
            handler.protocol_version = "HTTP/1.1"
            handler.head(200, Transfer_Encoding="chunked", Connection="close")
            handler.wfile.write(b"5\r\nhello\r\n" + end)
            handler.close_connection = True

        return answer

    server.script = [chunked(b"0\r\n\r\n")]
    get(server, place)
    assert place.read_bytes() == b"hello"

    server.script = [chunked(b"ff\r\nonly this")]
    with pytest.raises(TransferUnavailable):
        get(server, place.with_name("other"))
    assert leftovers(place) == ["data"]


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410])
def test_some_answers_are_for_good(server: Scripted, place: Path, code: int) -> None:
    server.script = [status(code)]

    with pytest.raises(TransferRefused, match=str(code)):
        get(server, place)

    assert len(server.seen) == 1


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503])
def test_some_answers_may_change(server: Scripted, place: Path, code: int) -> None:
    server.script = [status(code, Retry_After=7)]

    with pytest.raises(Busy, match=str(code)) as caught:
        get(server, place)

    assert caught.value.retry_after_s == 7.0


@pytest.mark.parametrize(
    ("value", "wait_s"),
    [
        (None, 0),
        ("", 0),
        ("soon", 0),
        ("-5", 0),
        ("7", 7),
        (" 7 ", 7),
        ("7.5", 0),
        ("999999999", 300),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 300),
    ],
)
def test_a_server_may_say_when_to_come_back_within_limits(value: str | None, wait_s: float) -> None:
    assert _retry_after_s(value) == wait_s


def test_a_server_that_is_not_there_may_come_back(place: Path) -> None:
    with pytest.raises(TransferUnavailable, match="refused"):
        Http(timeout_s=2).get("http://127.0.0.1:9/x", str(place))


def test_redirects_are_followed_relative_ones_too(server: Scripted, place: Path) -> None:
    server.script = [status(302, Location="/other?x=1"), status(307, Location=server.url), whole]

    get(server, place)

    assert [path for path, _ in server.seen] == ["/data", "/other?x=1", "/data"]
    assert place.read_bytes() == DATA


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_every_kind_of_redirect_is_followed(server: Scripted, place: Path, code: int) -> None:
    server.script = [status(code, Location="/other"), whole]

    get(server, place)

    assert [path for path, _ in server.seen] == ["/data", "/other"]
    assert place.read_bytes() == DATA


@pytest.mark.parametrize("code", [300, 304, 305, 306])
def test_other_answers_that_begin_like_redirects_are_refused(
    server: Scripted, place: Path, code: int
) -> None:
    server.script = [status(code, Location="/other"), whole]

    with pytest.raises(TransferRefused, match=str(code)):
        get(server, place)

    assert not place.exists()


def test_a_redirect_loop_ends(server: Scripted, place: Path) -> None:
    server.script = [status(302, Location="/data")]

    with pytest.raises(TransferRefused, match="redirects more than 10 times"):
        get(server, place)

    assert len(server.seen) == 11


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x/"])
def test_a_redirect_to_another_scheme_is_refused(server: Scripted, place: Path, target: str) -> None:
    server.script = [status(302, Location=target)]

    with pytest.raises(TransferRefused, match="not allowed"):
        get(server, place)


@pytest.mark.parametrize("target", ["http://h/x", "file:///x", "//other/x", "/x"])
def test_https_never_goes_back_to_anything_less(target: str) -> None:
    if target.startswith(("http:", "file:")):
        with pytest.raises(TransferRefused, match="from https to"):
            _next_hop("https://h/x", target, "https://h/x")
    else:
        assert _next_hop("https://h/y", target, "https://h/y").startswith("https://")


def test_a_slow_server_does_not_hold_up_a_cancelled_transfer(server: Scripted, place: Path) -> None:
    stop = threading.Event()

    def drip(handler: Handler) -> None:
        handler.head(200, Content_Length=1000)
        handler.wfile.write(b"x")
        stop.set()
        server.released.wait(60)

    server.script = [drip]

    with pytest.raises(Cancelled):
        get(server, place, stop=stop)

    assert leftovers(place) == []


def test_a_server_that_never_answers_does_not_hold_up_a_cancelled_transfer(
    server: Scripted, place: Path
) -> None:
    stop = threading.Event()

    def no_answer(handler: Handler) -> None:
        stop.set()
        server.released.wait(60)

    server.script = [no_answer]

    with pytest.raises(Cancelled):
        get(server, place, stop=stop)


def test_a_connection_whose_handshake_has_not_ended_is_cut_too() -> None:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with ours, theirs:
        wire = Wire()
        wire.connection = http.client.HTTPConnection("host")
        wire.connection.sock = ours

        wire.cut()

        assert theirs.recv(1) == b""


def test_a_download_to_a_full_disk_is_an_error_of_the_disk(
    server: Scripted, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched, pytest.raises(StorageError, match=f"{place}.*No space left"):
        patched.setattr(os, "write", full)
        get(server, place)

    assert leftovers(place) == []


def test_a_silent_server_is_given_up_in_time(server: Scripted, place: Path) -> None:
    server.script = [lambda handler: server.released.wait(60)]

    with pytest.raises(TransferUnavailable, match="no answer in time"):
        Http(timeout_s=0.2).get(server.url, str(place))


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def write_credentials(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_user_and_headers_come_from_the_credentials_file(
    server: Scripted, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "[127.0.0.1]\nusername = ada\npassword = p%w\n[http://127.0.0.1]\nheader.X-Token = t\n[elsewhere]\nheader.X-No = n\n"
    monkeypatch.setenv("PEGASUS_CREDENTIALS", str(write_credentials(tmp_path / "c", text)))

    get(server, place)

    headers = server.seen[0][1]
    assert headers["Authorization"] == basic("ada:p%w")
    assert headers["X-Token"] == "t"
    assert "X-No" not in headers


@pytest.mark.parametrize(
    ("user", "sent"), [("ada", "ada:p%w"), ("eve", "eve:"), ("ada:own", "ada:own"), ("ada:", "ada:")]
)
def test_a_user_without_a_password_gets_that_of_the_credentials_file(
    server: Scripted, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str, sent: str
) -> None:
    text = "[127.0.0.1]\nusername = ada\npassword = p%w\n"
    monkeypatch.setenv("PEGASUS_CREDENTIALS", str(write_credentials(tmp_path / "c", text)))

    Http().get(server.url.replace("http://", f"http://{user}@"), str(place))

    assert server.seen[0][1]["Authorization"] == basic(sent)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_credentials_file_that_others_may_read_is_refused(
    server: Scripted, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    path = write_credentials(tmp_path / "c", "[127.0.0.1]\npassword = hush\n", mode)
    monkeypatch.setenv("PEGASUS_CREDENTIALS", str(path))

    with pytest.raises(TransferRefused) as caught:
        get(server, place)

    assert caught.value.hint == f"chmod 600 '{path}'"
    assert server.seen == []


def test_a_broken_credentials_file_is_not_quoted(
    server: Scripted, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEGASUS_CREDENTIALS", str(write_credentials(tmp_path / "c", "password hush\n")))

    with pytest.raises(TransferRefused) as caught:
        get(server, place)

    assert "hush" not in repr(caught.value) and caught.value.__cause__ is None


def test_credentials_do_not_follow_a_redirect_to_another_host(
    server: Scripted, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "PEGASUS_CREDENTIALS",
        str(write_credentials(tmp_path / "c", "[127.0.0.1]\nusername = ada\nheader.X-Token = t\n")),
    )
    server.script = [status(302, Location=server.url.replace("127.0.0.1", "localhost")), whole]

    get(server, place)

    assert "Authorization" in server.seen[0][1]
    assert "Authorization" not in server.seen[1][1] and "X-Token" not in server.seen[1][1]


def test_user_in_the_url_stays_on_its_host_and_out_of_messages(server: Scripted, place: Path) -> None:
    url = server.url.replace("http://", "http://ada:hush@")
    server.script = [
        status(302, Location="/again"),
        status(302, Location=server.url.replace("127.0.0.1", "localhost")),
        status(404),
    ]

    with pytest.raises(TransferRefused) as caught:
        Http().get(url, str(place))

    auth = [headers.get("Authorization") for _, headers in server.seen]
    assert auth == [basic("ada:hush"), basic("ada:hush"), None]
    assert "hush" not in repr(caught.value) + caught.value.hint


def test_a_proxy_of_the_environment_is_used(
    server: Scripted, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url.replace("/data", ""))
    monkeypatch.setenv("no_proxy", "")

    Http().get("http://data.invalid/x", str(place), durable=False)

    assert server.seen[0][0] == "http://data.invalid/x"
    assert place.read_bytes() == DATA
