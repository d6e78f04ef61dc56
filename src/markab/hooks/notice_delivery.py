"""Sending a notice: by mail, to a web server, or to the desktop."""

from __future__ import annotations

import getpass
import http.client
import json
import shutil
import smtplib
import socket
import subprocess
import urllib.request
from collections.abc import Mapping, Sequence
from email.message import EmailMessage

from markab.errors import MarkabError
from markab.hooks.notices import Notice
from markab.transfers.base import redact

TIMEOUT_S = 30.0
_SENDMAIL_DIRECTORIES = ":/usr/sbin:/usr/lib:/usr/local/sbin"


def send_mail(notice: Notice, recipients: Sequence[str], sender: str = "", server: str = "") -> None:
    """Send it by the program `sendmail`, or to an SMTP server: `host` or `host:port`.

    Raises:
        MarkabError: it was not accepted.
    """
    message = EmailMessage()
    try:
        message["Subject"] = notice.subject
        message["From"] = sender or f"{getpass.getuser()}@{socket.getfqdn()}"
        message["To"] = ", ".join(recipients)
    except ValueError as error:
        raise MarkabError(f"this is no mail address: {error}", hint="write addresses as name@host") from error
    message.set_content(notice.text)
    if server:
        _send_to_server(message, server)
    else:
        _send_by_program(message)


def _send_to_server(message: EmailMessage, server: str) -> None:
    host, _, port = server.partition(":")
    if port and not port.isdigit():
        raise MarkabError(f"{server!r} is no mail server", hint="write it as host or host:port")
    try:
        with smtplib.SMTP(host, int(port or 25), timeout=TIMEOUT_S) as connection:
            connection.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise MarkabError(f"the mail server {server!r} did not take the mail: {error}") from error


def _send_by_program(message: EmailMessage) -> None:
    program = shutil.which("sendmail") or shutil.which("sendmail", path=_SENDMAIL_DIRECTORIES)
    if program is None:
        raise MarkabError(
            "this machine has no program `sendmail`",
            hint="name the mail server of your site: `--smtp HOST[:PORT]`",
        )
    _run([program, "-t", "-oi"], message.as_bytes())


def post(notice: Notice, url: str, headers: Mapping[str, str]) -> None:
    """Post it as a JSON object to a web server. `text`, which chat services show, is subject and text.

    Raises:
        MarkabError: the server did not take it.
    """
    body = json.dumps({**notice.data, "subject": notice.subject, "text": notice.text}).encode()
    shown = redact(url)
    if not url.startswith(("http://", "https://")):
        raise MarkabError(
            f"{shown!r} is no address of a web server", hint="it begins with https:// or http://"
        )
    try:
        request = urllib.request.Request(url, body, {"Content-Type": "application/json", **headers})
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            answer.read(1)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise MarkabError(f"{shown!r} did not take the notice: {error}") from error


def show_on_desktop(notice: Notice) -> None:
    """Show it on the desktop of the user, by `notify-send`.

    Raises:
        MarkabError: it cannot be shown.
    """
    program = shutil.which("notify-send")
    if program is None:
        raise MarkabError(
            "this machine has no program `notify-send`", hint="install libnotify-bin, or use mail"
        )
    _run([program, "--app-name=Markab", "--", notice.subject, notice.text])


def _run(words: Sequence[str], given: bytes = b"") -> None:
    try:
        done = subprocess.run(words, input=given, capture_output=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MarkabError(f"{words[0]!r} could not send the notice: {error}") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise MarkabError(f"{words[0]!r} ended with exit code {done.returncode}: {said}")
