"""Raw inputs that come from a web server: cut connections, redirects, dead mirrors, wrong files."""

from __future__ import annotations

import hashlib
import http.server
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.tools import job_line, journal, markab, plan, write_workflow

pytestmark = pytest.mark.integration

DATA = os.urandom(700_000)
CUT_AT = 400_000


class Handler(http.server.BaseHTTPRequestHandler):
    """`/data` is the file, `/cut` breaks off once, `/moved` leads to `/data`, `/busy` works the second time."""

    server: Site

    def do_GET(self) -> None:
        path = self.path
        self.server.asked.append((path, self.headers.get("Range")))
        first = sum(asked == path for asked, _ in self.server.asked) == 1
        if path == "/moved":
            self._head(302, Location="/further")
        elif path == "/further":
            self._head(301, Location=f"http://127.0.0.1:{self.server.server_port}/data")
        elif path == "/busy" and first:
            self._head(503, Retry_After="0")
        elif path == "/missing":
            self._head(404)
        elif path == "/wrong":
            self._send(DATA[:-1] + b"?")
        elif path == "/cut" and first:
            self._head(200, Content_Length=len(DATA), ETag='"1"')
            self.wfile.write(DATA[:CUT_AT])
        else:
            self._send(DATA)

    def _send(self, data: bytes) -> None:
        asked = self.headers.get("Range", "")
        if not asked:
            self._head(200, Content_Length=len(data), ETag='"1"')
            self.wfile.write(data)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-"))
        rest = data[start:]
        where = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self._head(206, Content_Length=len(rest), Content_Range=where, ETag='"1"')
        self.wfile.write(rest)

    def _head(self, status: int, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        if "Content_Length" not in headers:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Log nothing."""


class Site(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str | None]] = []
        """Path and Range of each request."""

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "PEGASUS_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with Site() as site:
        threading.Thread(target=site.serve_forever, args=(0.02,), daemon=True).start()
        yield site
        site.shutdown()


def dead_url() -> str:
    """Return a URL at which no server listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}/data"


def planned(
    here: Path, *urls: str, flags: tuple[str, ...] = (), bypass: bool = False, **replica: Any
) -> Path:
    """Plan a workflow that copies `in`, which is at `urls`, to its result `out`."""
    job = job_line("copy", "cp", "in out", inputs=["in"], outputs=["out"])
    if bypass:
        job["uses"][0]["bypass"] = True
    places = [{"site": f"mirror{number}", "pfn": url} for number, url in enumerate(urls)]
    workflow = write_workflow(
        here, [job], replicaCatalog={"replicas": [{"lfn": "in", "pfns": places, **replica}]}
    )
    return plan(workflow, "--output-dir", here / "results", "-D", "dagman.retry=0", *flags, cwd=here)


def moved(submit_dir: Path) -> dict[str, Any]:
    """Return the entry of `in` in the record of the last stage-in."""
    records = [r["record"] for r in journal(submit_dir) if r["event"] == "end"]
    found: list[dict[str, Any]] = [
        t for record in records for t in record.get("transfers", ()) if t["lfn"] == "in"
    ]
    return found[-1]


def said(done: subprocess.CompletedProcess[str], here: Path, site: Site) -> str:
    """Return what a command wrote to stderr, without what changes from test to test."""
    text = done.stderr.replace(str(here), "HERE").replace(site.url(""), "SITE/")
    return text.replace(str(shutil.which("cp")), "CP").strip()


def test_a_download_that_breaks_off_is_resumed(tmp_path: Path, site: Site) -> None:
    submit_dir = planned(tmp_path, site.url("cut"), checksum={"sha256": hashlib.sha256(DATA).hexdigest()})

    markab("run", submit_dir, cwd=tmp_path)

    assert DATA == (tmp_path / "results" / "out").read_bytes()
    assert [("/cut", None), ("/cut", f"bytes={CUT_AT}-")] == site.asked


def test_redirects_are_followed(tmp_path: Path, site: Site) -> None:
    submit_dir = planned(tmp_path, site.url("moved"))

    markab("run", submit_dir, cwd=tmp_path)

    assert DATA == (tmp_path / "results" / "out").read_bytes()
    assert ["/moved", "/further", "/data"] == [path for path, _ in site.asked]


def test_a_busy_server_is_asked_again(tmp_path: Path, site: Site) -> None:
    submit_dir = planned(tmp_path, site.url("busy"))

    markab("run", submit_dir, cwd=tmp_path)

    assert DATA == (tmp_path / "results" / "out").read_bytes()
    assert 2 == len(site.asked)


@pytest.mark.parametrize("bypass", [False, True])
@pytest.mark.parametrize("first", ["dead", "missing", "wrong"])
def test_the_next_replica_is_taken_when_one_does_not_work(
    first: str, bypass: bool, tmp_path: Path, site: Site
) -> None:
    url = dead_url() if first == "dead" else site.url(first)
    checksum = {"sha256": hashlib.sha256(DATA).hexdigest()}
    submit_dir = planned(tmp_path, url, site.url("data"), bypass=bypass, checksum=checksum)

    markab("run", submit_dir, cwd=tmp_path)

    assert DATA == (tmp_path / "results" / "out").read_bytes()
    assert site.url("data") == moved(submit_dir)["source"]
    assert 2 == moved(submit_dir)["attempts"]


@pytest.mark.parametrize("bypass", [False, True])
def test_an_input_that_no_server_has_is_an_error_that_names_it(
    bypass: bool, tmp_path: Path, site: Site
) -> None:
    submit_dir = planned(tmp_path, site.url("missing"), bypass=bypass)

    done = markab("run", "-q", submit_dir, cwd=tmp_path, check=False)

    assert 14 == done.returncode
    job, command = ("cp_copy", "\n  command: CP in out") if bypass else ("stage_in_local_local_0_0", "")
    assert (
        f"{job} failed (attempt 1)\n"
        "  'SITE/missing': the server answers 404 Not Found\n"
        f"    hint: curl -sIL 'SITE/missing'{command}"
    ) == said(done, tmp_path, site)
    assert not (tmp_path / "results").exists() or [] == os.listdir(tmp_path / "results")


@pytest.mark.parametrize("bypass", [False, True])
def test_a_server_that_sends_another_file_is_an_error_that_names_both_checksums(
    bypass: bool, tmp_path: Path, site: Site
) -> None:
    expected = hashlib.sha256(DATA).hexdigest()
    actual = hashlib.sha256(DATA[:-1] + b"?").hexdigest()
    submit_dir = planned(
        tmp_path,
        site.url("wrong"),
        bypass=bypass,
        flags=("-D", "pegasus.mode=tutorial"),
        checksum={"sha256": expected},
    )

    done = markab("run", "-q", submit_dir, cwd=tmp_path, check=False)

    assert 14 == done.returncode
    job, command = ("cp_copy", "\n  command: CP in out") if bypass else ("stage_in_local_local_0_0", "")
    assert (
        f"{job} failed (attempt 1)\n"
        f"  'SITE/wrong' is not the file that was recorded: its sha256 is {actual}, expected {expected}\n"
        "    hint: curl -sL 'SITE/wrong' | sha256sum; "
        f"if the file is right, `markab run --refresh RUN` takes it anew; but correct its checksum in the replica catalog, should it have one there, and plan again{command}"
    ) == said(done, tmp_path, site)
    assert [] == [path for path in (tmp_path / "wf-scratch").rglob("*") if path.name.startswith("in")]


def test_a_server_that_is_down_fails_the_run_until_it_is_up(tmp_path: Path, site: Site) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    submit_dir = planned(tmp_path, f"http://127.0.0.1:{port}/data", flags=("-D", "pegasus.mode=tutorial"))

    done = markab("run", "-q", submit_dir, cwd=tmp_path, check=False)

    assert 14 == done.returncode
    assert (
        "stage_in_local_local_0_0 failed (attempt 1)\n"
        f"  'http://127.0.0.1:{port}/data': Connection refused\n"
        f"    hint: curl -sI 'http://127.0.0.1:{port}/data'"
    ) == said(done, tmp_path, site)

    late = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    late.asked = []  # type: ignore[attr-defined]
    with late:
        threading.Thread(target=late.serve_forever, args=(0.02,), daemon=True).start()
        markab("run", submit_dir, cwd=tmp_path)
        late.shutdown()
    assert DATA == (tmp_path / "results" / "out").read_bytes()
