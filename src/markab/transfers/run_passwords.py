"""The passwords of a run: those that stood in the URLs of its documents, in one private file.

`passwords.json` in the submit directory, of mode 600, is one object: a URL without its password, up to
the host where that is enough → the password as it stood in the URL, with its %XX escapes:

    {"https://ada@data.example.org:8080": "p%40ss"}

A URL gets the password of the longest key that is this URL or one above it. The planner writes the
file, transfers read it, and no other file of the run has these passwords.
"""

import json
import os
import re
from typing import Dict, Mapping

from markab.errors import TransferRefused
from markab.transfers.credentials import open_private

Passwords = Dict[str, str]

# `docker://image:tag@sha256:…` has no user: it names an image.
_WITH_PASSWORD = re.compile(r"((?!docker:)[A-Za-z][A-Za-z0-9+.\-]*://[^/?#:]*):([^/?#]+)(@[^/?#@]*)")
_WITH_USER = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*://[^/?#:]*)@")


def take_password(url: str, passwords: Passwords) -> str:
    """Return `url` without its password, which is added to `passwords`."""
    match = _WITH_PASSWORD.match(url)
    if match is None:
        return url
    server, password = match.group(1) + match.group(3), match.group(2)
    public = server + url[match.end() :]
    if passwords.setdefault(server, password) != password:
        passwords[public] = password
    return public


def with_password(url: str, passwords: Mapping[str, str]) -> str:
    """Return `url` with its password among `passwords`; as it is if there is none, or if it has one."""
    match = _WITH_USER.match(url) if passwords else None
    if match is None:
        return url
    key = url
    while key not in passwords:
        key, slash, _ = key.rpartition("/")
        if not slash:
            return url
    return "%s:%s%s" % (match.group(1), passwords[key], url[match.end(1) :])


def write_passwords(path: str, passwords: Mapping[str, str]) -> None:
    """Write the file, which must not exist; only its owner may read it.

    Raises:
        OSError: it exists, or cannot be written.
    """
    with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        json.dump(passwords, file, indent=1)
        file.flush()
        os.fsync(file.fileno())


def read_passwords(path: str) -> Passwords:
    """Return the passwords in the file at `path`; none if `path` is empty.

    Raises:
        TransferRefused: it cannot be read, others may read it, or it is not such a file. The message has no text of it.
    """
    if not path:
        return {}
    with open_private(path) as file:
        try:
            found = json.load(file)
        except (ValueError, RecursionError):
            found = None
    if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
        raise TransferRefused(
            "'%s' is not a file of passwords" % path, 'write {"scheme://user@host": "password"}'
        )
    return found
