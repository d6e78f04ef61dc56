"""Sending notices about events of a run: what hooks call."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from markab.errors import MarkabError

STDERR_BYTES = 1 << 16


def send_notice(
    means: str,
    targets: Sequence[str],
    variables: Mapping[str, str],
    *,
    sender: str = "",
    server: str = "",
    headers: Mapping[str, str] | None = None,
) -> None:
    """Send a notice about the event that the variables of a hook tell of.

    Args:
        means: `mail`, `webhook` or `desktop`.
        targets: addresses of mail, or URLs; `@FILE` is what FILE has in its first line.
        variables: as a hook has them; without those of an event, the notice is a test.
        sender: address of the sender of mail.
        server: SMTP server, as `host` or `host:port`; else the program `sendmail`.
        headers: of the request to a web server; a value `@FILE` as with targets.

    Raises:
        MarkabError: it could not be sent.
    """
    from markab.hooks import notice_delivery
    from markab.hooks.notices import make_notice

    notice = make_notice(variables, _stderr(variables))
    addresses = [_from_file(target) for target in targets]
    if means == "mail":
        notice_delivery.send_mail(notice, addresses, sender, server)
    elif means == "webhook":
        given = {name: _from_file(value) for name, value in (headers or {}).items()}
        for url in addresses:
            notice_delivery.post(notice, url, given)
    else:
        notice_delivery.show_on_desktop(notice)


def _from_file(text: str) -> str:
    """Return a text, or the first line of the file that it names after `@`: what is secret stands in no plan."""
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).expanduser().read_text().partition("\n")[0].strip()
    except (OSError, ValueError) as error:
        raise MarkabError(f"cannot read {text[1:]!r}: {error}") from error


def _stderr(variables: Mapping[str, str]) -> str:
    """Return the end of what the task wrote to stderr; empty if nobody has it."""
    try:
        with open(variables["PEGASUS_STDERR"], "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - STDERR_BYTES))
            return file.read().decode("utf-8", "replace")
    except (KeyError, OSError):
        return ""
