"""Notices about events: their text, and their way by mail, web request and desktop."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from markab import operations
from markab.cli.notify import notify
from markab.errors import MarkabError
from markab.hooks.notices import make_notice

FAILED = {
    "PEGASUS_EVENT": "on_error",
    "PEGASUS_EVENT_TIMESTAMP_ISO": "2027-01-15T08:00:00+00:00",
    "PEGASUS_SUBMIT_DIR": "/run",
    "PEGASUS_WFID": "words-0",
    "PEGASUS_JOBID": "wc_a",
    "PEGASUS_STATUS": "3",
    "MARKAB_ATTEMPT": "2",
    "MARKAB_ERROR": "exit code 3",
}


def test_a_notice_of_a_failed_job_has_cause_and_output() -> None:
    notice = make_notice(FAILED, "one\ntwo\n")

    assert "job wc_a of words-0 failed (attempt 2)" == notice.subject
    assert "error: exit code 3" in notice.text and notice.text.endswith("the end of its stderr:\none\ntwo\n")
    assert "on_error" == notice.data["event"] and "outcome" not in notice.data


@pytest.mark.parametrize(
    ("variables", "subject"),
    [
        (
            {"PEGASUS_EVENT": "at_end", "PEGASUS_WFID": "words-0", "PEGASUS_JOBID": "7a3c"},
            "workflow words-0 ended",
        ),
        ({}, "a notice of Markab, to test that it arrives"),
        ({**FAILED, "PEGASUS_EVENT": "start", "MARKAB_ATTEMPT": "1"}, "job wc_a of words-0 started"),
        ({**FAILED, "PEGASUS_JOBID": "a\nBcc: b\x1b[1m", "MARKAB_ATTEMPT": "1"}, "a\\nBcc: b\\x1b[1m of"),
    ],
)
def test_the_subject_is_one_printable_line(variables: dict[str, str], subject: str) -> None:
    found = make_notice(variables).subject
    assert found.isprintable() and (found == subject or "\\n" in found)


class _Smtp(socketserver.StreamRequestHandler):
    """Takes one mail, as an SMTP server does."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline().strip():
            word = line.upper()[:4]
            if word == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            self.wfile.write(b"354 go\r\n" if word == b"DATA" else b"250 ok\r\n")
            if word == b"RCPT":
                self.server.recipients.append(line)  # type: ignore[attr-defined]
            if word == b"DATA":
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.mail = b"".join(lines)  # type: ignore[attr-defined]
                self.wfile.write(b"250 taken\r\n")


class _Web(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted = json.loads(body), dict(self.headers)  # type: ignore[attr-defined]
        self.send_response(500 if self.path == "/broken" else 204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_mail_goes_to_a_server(tmp_path: Path) -> None:
    (tmp_path / "stderr").write_text("it broke: ü\n")
    variables = {**FAILED, "PEGASUS_STDERR": str(tmp_path / "stderr")}
    with serving(socketserver.TCPServer(("127.0.0.1", 0), _Smtp)) as server:
        server.recipients = []
        place = f"127.0.0.1:{server.server_address[1]}"
        operations.send_notice("mail", ["ada@here", "bob@here"], variables, sender="me@here", server=place)

    mail = message_from_bytes(server.mail, policy=policy.default)
    assert ("job wc_a of words-0 failed (attempt 2)", "me@here") == (mail["Subject"], mail["From"])
    assert "it broke: ü" in mail.get_content() and 2 == len(server.recipients)


def test_a_mail_goes_to_the_program_sendmail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "sendmail"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/words\n/bin/cat > {tmp_path}/mail\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    operations.send_notice("mail", ["ada@here"], {})

    assert "-t -oi\n" == (tmp_path / "words").read_text()
    assert "To: ada@here" in (tmp_path / "mail").read_text()


def test_a_web_server_gets_json_with_headers_from_a_private_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("Bearer secret\n")
    with serving(HTTPServer(("127.0.0.1", 0), _Web)) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        with pytest.raises(MarkabError, match="did not take the notice: HTTP Error 500"):
            operations.send_notice("webhook", [f"{url}/broken"], FAILED)
        (tmp_path / "url").write_text(f"{url}/hook\n")
        operations.send_notice(
            "webhook",
            [f"@{tmp_path}/url"],
            FAILED,
            headers={"Authorization": f"@{tmp_path}/token"},
        )

    body, headers = server.posted
    assert ("wc_a", "on_error", "3") == (body["job"], body["event"], body["status"])
    assert body["text"].startswith(body["subject"]) and "Bearer secret" == headers["Authorization"]


def test_the_desktop_shows_it_by_notify_send(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MarkabError, match="has no program `notify-send`"):
        operations.send_notice("desktop", [], FAILED)
    program = tmp_path / "notify-send"
    program.write_text("#!/bin/sh\necho cannot show >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(MarkabError, match="exit code 1: cannot show"):
        operations.send_notice("desktop", [], FAILED)
    program.write_text("#!/bin/sh\n")
    operations.send_notice("desktop", [], FAILED)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["mail"], "`mail` needs a TARGET"),
        (["desktop", "x"], "`desktop` has no TARGET"),
        (["webhook", "ftp://x"], "is no address of a web server"),
        (["webhook", "http://x", "--header", "x"], "write it as 'NAME: VALUE'"),
        (["mail", "a\nb@here"], "this is no mail address"),
        (["mail", "@/no/such/file"], "cannot read '/no/such/file'"),
        (["mail", "a@b", "--smtp", "here:x"], "is no mail server"),
        (["mail", "a@b", "--smtp", "127.0.0.1:9"], "did not take the mail"),
    ],
)
def test_what_is_wrong_is_named(words: list[str], message: str) -> None:
    result = CliRunner().invoke(notify, words)

    assert result.exit_code and message in result.output


def test_a_password_in_a_url_is_in_no_error() -> None:
    with pytest.raises(MarkabError) as caught:
        operations.send_notice("webhook", ["http://me:secret@127.0.0.1:9/x?token=hidden"], {})
    assert "secret" not in str(caught.value) and "hidden" not in str(caught.value)
