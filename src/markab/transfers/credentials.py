"""The credentials file: user names, passwords and headers for protected servers.

A URL's own password comes first, then that of the run (`run_passwords.py`), then this file.
It is an INI file of mode 600, named by PEGASUS_CREDENTIALS_<site label> or PEGASUS_CREDENTIALS,
else `~/.pegasus/credentials.conf`:

    [data.example.org]                    with or without ":port"
    username = ada
    password = secret
    [https://data.example.org]
    header.Authorization = Bearer abc

A section serves only the host in its name; a host without a section gets none.
"""

import base64
import os
import stat
from typing import Dict, Optional, TextIO
from urllib.parse import unquote, urlsplit

from markab.errors import TransferRefused, quoted
from markab.transfers.beneath import open_regular


def credentials_path(site: str = "") -> Optional[str]:
    """Return the path of the credentials file, or None if there is none.

    Raises:
        TransferRefused: a variable names a file that does not exist.
    """
    for variable in ("PEGASUS_CREDENTIALS_" + site if site else "", "PEGASUS_CREDENTIALS"):
        path = os.environ.get(variable) if variable else None
        if path:
            if not os.path.isfile(path):
                raise TransferRefused(
                    "the credentials file '%s' (named by %s) does not exist" % (path, variable),
                    "unset %s, or write the file" % variable,
                )
            return path
    path = os.path.expanduser("~/.pegasus/credentials.conf")
    return path if os.path.isfile(path) else None


def read_credentials(site: str = "") -> Dict[str, Dict[str, str]]:
    """Return the sections of the credentials file; nothing if there is no file.

    Raises:
        TransferRefused: others may read the file, or it is no INI file. The message has no text of it.
    """
    path = credentials_path(site)
    if path is None:
        return {}
    import configparser  # only here: most runs have no such file

    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        with open_private(path) as file:
            parser.read_file(file)
    except (configparser.Error, UnicodeDecodeError):
        # Not chained: what these errors quote could be a password.
        raise TransferRefused(
            "the credentials file '%s' is not an INI file" % path, "write lines 'key = value' below '[host]'"
        ) from None
    return {name: dict(parser.items(name)) for name in parser.sections()}


def open_private(path: str) -> TextIO:
    """Open a file of secrets for reading.

    Raises:
        TransferRefused: it cannot be read, or others may read it.
    """
    try:
        file = open(path, encoding="utf-8", opener=open_regular)
    except OSError as error:
        raise TransferRefused(
            "the credentials file '%s' cannot be read: %s" % (path, error.strerror), "ls -l %s" % quoted(path)
        ) from error
    mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    if mode & 0o177:
        file.close()
        raise TransferRefused(
            "the credentials file '%s' has mode %03o: others could read it" % (path, mode),
            "chmod 600 %s" % quoted(path),
        )
    return file


def headers_for(url: str, sections: Dict[str, Dict[str, str]]) -> Dict[str, str]:
    """Return the request headers that `sections` give for the host of `url`.

    A user and password in the URL itself come before those of the file; a user without a password
    gets only the password of that user.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    named = (host, "%s:%s" % (host, parts.port)) if parts.port else (host,)
    headers: Dict[str, str] = {}
    user = unquote(parts.username) if parts.username else None
    password = None if parts.password is None else unquote(parts.password)
    for name, keys in sections.items():
        label = name.lower().rstrip("/")
        if label in named:
            if password is None and user in (None, keys.get("username")):
                user, password = keys.get("username"), keys.get("password")
        elif label not in ["%s://%s" % (parts.scheme.lower(), one) for one in named]:
            continue
        for key, value in keys.items():
            if key.lower().startswith("header."):
                headers[key[len("header.") :]] = value
    if user is not None and not any(name.lower() == "authorization" for name in headers):
        token = base64.b64encode(("%s:%s" % (user, password or "")).encode("utf-8")).decode("ascii")
        headers["Authorization"] = "Basic " + token
    return headers
