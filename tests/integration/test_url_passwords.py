"""A password in a URL opens a protected server, and stands in one private file of the run only."""

from __future__ import annotations

import base64
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.tools import job_line, markab, plan, write_workflow

pytestmark = pytest.mark.integration

FORMATS = ("prov", "ro-crate", "wfformat", "csv", "pegasus")
PASSWORD = "s3cr%40tpw"
EXPECTED = "Basic " + base64.b64encode(b"bob:s3cr@tpw").decode()


class Handler(http.server.BaseHTTPRequestHandler):
    """Sends `data` to bob, and 401 to others."""

    def do_GET(self) -> None:
        known = self.headers.get("Authorization") == EXPECTED
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"data\n" if known else b"Error")

    def log_message(self, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "PEGASUS_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def planned(here: Path, url: str, *, bypass: bool = False) -> Path:
    job = job_line("copy", "cp", "in out", inputs=["in"], outputs=["out"])
    job["uses"][0]["bypass"] = bypass
    replica = {"lfn": "in", "pfns": [{"site": "web", "pfn": url}]}
    workflow = write_workflow(here, [job], replicaCatalog={"replicas": [replica]})
    return plan(workflow, "--output-dir", here / "results", "-D", "dagman.retry=0", cwd=here)


def files_with(text: str, directory: Path) -> list[str]:
    return [
        str(path.relative_to(directory))
        for path in directory.rglob("*")
        if path.is_file() and text.encode() in path.read_bytes()
    ]


@pytest.mark.parametrize("bypass", [False, True])
def test_a_password_is_used_from_planning_to_delivery_and_is_in_one_private_file(
    bypass: bool, tmp_path: Path, host: str
) -> None:
    submit_dir = planned(tmp_path, f"http://bob:{PASSWORD}@{host}/in", bypass=bypass)
    said = markab("run", submit_dir, cwd=tmp_path).stdout
    assert (tmp_path / "results" / "out").read_text() == "data\n"

    for words in (
        ("statistics", submit_dir),
        ("report", submit_dir),
        *(("export", submit_dir, "-F", name, "-o", submit_dir / name) for name in FORMATS),
        ("analyze", submit_dir, "--debug-job", "copy", "--debug-dir", submit_dir / "debug"),
        ("show", submit_dir, "copy", "--json"),
        ("show", submit_dir, "copy"),
        ("trace", submit_dir, "out"),
    ):
        done = markab(*words, cwd=tmp_path)
        said += done.stdout + done.stderr

    assert PASSWORD not in said and "s3cr@tpw" not in said
    assert files_with(PASSWORD, submit_dir) == ["passwords.json"]
    assert files_with("s3cr@tpw", submit_dir) == files_with(EXPECTED, submit_dir) == []
    assert (submit_dir / "passwords.json").stat().st_mode & 0o777 == 0o600
    assert submit_dir.stat().st_mode & 0o777 == 0o700
    assert (submit_dir / "debug" / "in").read_text() == "data\n"


def test_a_failed_download_names_the_url_without_its_password(tmp_path: Path, host: str) -> None:
    submit_dir = planned(tmp_path, f"http://bob:wr0ngpw@{host}/in")

    done = markab("run", "-q", submit_dir, cwd=tmp_path, check=False)
    said = done.stderr + done.stdout + markab("analyze", submit_dir, cwd=tmp_path, check=False).stdout

    assert "401" in said and "wr0ngpw" not in said
    assert files_with("wr0ngpw", submit_dir) == ["passwords.json"]


def test_a_file_of_passwords_that_others_may_read_stops_the_run_until_it_is_private(
    tmp_path: Path, host: str
) -> None:
    submit_dir = planned(tmp_path, f"http://bob:{PASSWORD}@{host}/in")
    (submit_dir / "passwords.json").chmod(0o644)

    done = markab("run", submit_dir, cwd=tmp_path, check=False)
    assert done.returncode and f"chmod 600 '{submit_dir}/passwords.json'" in done.stderr

    (submit_dir / "passwords.json").chmod(0o600)
    markab("run", submit_dir, cwd=tmp_path)
    assert (tmp_path / "results" / "out").read_text() == "data\n"


def test_a_signature_in_a_url_stays_in_the_plan_and_is_shown_nowhere(tmp_path: Path, host: str) -> None:
    submit_dir = planned(tmp_path, f"http://bob:{PASSWORD}@{host}/in?X-Amz-Signature=s1gned")
    said = markab("run", submit_dir, cwd=tmp_path).stdout
    for words in (("statistics", submit_dir), ("trace", submit_dir, "out"), ("report", submit_dir)):
        said += markab(*words, cwd=tmp_path).stdout

    assert "s1gned" not in said
    assert sorted(files_with("s1gned", submit_dir)) == ["catalogs/workflow.yml", "plan.jsonl"]
