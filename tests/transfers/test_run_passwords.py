"""Passwords leave their URLs, stand in one private file, and come back for a transfer."""

from __future__ import annotations

from pathlib import Path

import pytest

from markab.errors import TransferRefused
from markab.transfers.run_passwords import (
    Passwords,
    read_passwords,
    take_password,
    with_password,
    write_passwords,
)


@pytest.mark.parametrize(
    "url",
    [
        "http://bob:s3cret@host/x",
        "http://bob:s3cret@host:8080/x?a=b@c",
        "https://bob:p%40s:s@d@[::1]:80/x",
        "scp://:s3cret@host",
        "ftp://a@b:s3cret@host/x/",
    ],
)
def test_a_password_leaves_its_url_and_comes_back(url: str) -> None:
    passwords: Passwords = {}

    public = take_password(url, passwords)

    (password,) = passwords.values()
    assert password not in public and public.count("@") >= 1
    assert with_password(public, passwords) == url
    assert with_password(url, passwords) == url


@pytest.mark.parametrize(
    "url",
    [
        "/data/a:b@c",
        "file:///data/a:b@c",
        "http://host:80/a@b",
        "http://bob@host:80/x:y@z",
        "http://host/?next=http://bob:s3cret@other",
        "docker://image:tag@sha256:00ff",
    ],
)
def test_what_is_no_password_stays(url: str) -> None:
    passwords: Passwords = {}

    assert take_password(url, passwords) == url
    assert with_password(url, {"http://x@y": "s3cret"}) == url
    assert passwords == {}


def test_one_password_of_a_server_serves_all_that_is_below_it() -> None:
    passwords: Passwords = {}
    take_password("http://bob:s3cret@host/scratch", passwords)

    assert passwords == {"http://bob@host": "s3cret"}
    assert with_password("http://bob@host/scratch/run0001/a%20b", passwords) == (
        "http://bob:s3cret@host/scratch/run0001/a%20b"
    )
    for other in ("http://eve@host/x", "https://bob@host/x", "http://bob@host:81/x", "http://bob@host2/x"):
        assert with_password(other, passwords) == other


def test_two_passwords_of_one_user_at_one_server_are_told_apart_by_path() -> None:
    urls = ["http://bob:1@host/x", "http://bob:2@host/y", "http://bob:2@host/z", "http://bob:1@host/z2"]
    passwords: Passwords = {}

    public = [take_password(url, passwords) for url in urls]

    assert [with_password(url, passwords) for url in public] == urls
    assert with_password("http://bob@host/y/below", passwords) == "http://bob:2@host/y/below"


def test_the_file_is_private_and_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "passwords.json"
    passwords = {"http://bob@host": "p%40ss ü\"'"}

    write_passwords(str(path), passwords)

    assert path.stat().st_mode & 0o777 == 0o600
    assert read_passwords(str(path)) == passwords
    with pytest.raises(FileExistsError):
        write_passwords(str(path), {})


@pytest.mark.parametrize(
    ("text", "mode"), [('{"http://b@h": "hush"}', 0o640), ("hush", 0o600), ("[]", 0o600)]
)
def test_a_file_that_cannot_be_trusted_is_refused_and_not_quoted(
    tmp_path: Path, text: str, mode: int
) -> None:
    path = tmp_path / "passwords.json"
    path.write_text(text)
    path.chmod(mode)

    with pytest.raises(TransferRefused, match=str(path)) as caught:
        read_passwords(str(path))

    assert "hush" not in repr(caught.value) + caught.value.hint


def test_a_run_without_passwords_has_no_file() -> None:
    assert read_passwords("") == {}
