"""A run's scratch directory that is somewhere else, reached by a transfer scheme."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from markab.errors import TransferRefused, TransferUnavailable
from markab.transfers import base
from markab.transfers.base import Moved, Scheme, register_scheme
from markab.worker.attempt_spec import make_spec
from markab.worker.auxiliary_jobs import run_auxiliary_job

UUID = "u-1"


class Store(Scheme):
    """A file server in memory, which knows files by their URL and remembers for which site it was asked."""

    name = "store"

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.directories: list[str] = []
        self.sites: set[str] = set()
        self.is_down = False

    def _asked(self, options: dict[str, Any]) -> None:
        self.sites.add(options["site"])
        if self.is_down:
            raise TransferUnavailable("the store is down")

    def get(self, url: str, path: str, **options: Any) -> Moved:
        self._asked(options)
        if url not in self.files:
            raise TransferRefused(f"'{url}' is not there")
        Path(path).write_bytes(self.files[url])
        return Moved(len(self.files[url]), hashlib.sha256(self.files[url]).hexdigest())

    def put(self, path: str, url: str, **options: Any) -> Moved:
        self._asked(options)
        self.files[url] = Path(path).read_bytes()
        return Moved(len(self.files[url]))

    def mkdir(self, url: str, **options: Any) -> None:
        self._asked(options)
        self.directories.append(url)

    def remove(self, url: str, recursive: bool = False, **options: Any) -> int:
        self._asked(options)
        gone = [name for name in self.files if name == url or (recursive and name.startswith(url + "/"))]
        for name in gone:
            del self.files[name]
        return len(gone)


@pytest.fixture
def store() -> Iterator[Store]:
    scheme = Store()
    register_scheme("store", scheme)
    yield scheme
    del base._registry["store"]


def do(kind: str, uuid: str = UUID, **job: Any) -> dict[str, Any]:
    job = {"id": kind, "kind": kind, "site": "local", "staging": "far", **job}
    return run_auxiliary_job(
        make_spec(
            job,
            1,
            uuid,
            "w",
            work="/w",
            scratch_url="store://h/run/",
            submit_dir="/submit",
            transfer_attempts=1,
        )
    )


def test_it_is_made_and_marked_by_its_scheme_with_the_label_of_its_site(store: Store) -> None:
    assert do("create_dir")["ok"] and do("create_dir")["ok"]

    assert store.directories == ["store://h/run"] * 2
    host = os.uname().nodename
    assert store.files == {"store://h/run/.markab": f"{UUID}\n/submit\n{host}\n".encode()}
    assert store.sites == {"far"}


def test_that_of_another_run_is_left_alone(store: Store) -> None:
    store.files["store://h/run/.markab"] = b"u-2\n/submit\nelsewhere\n"

    for kind, job in (("create_dir", {}), ("cleanup", {"removes_scratch": True})):
        record = do(kind, **job)
        assert record["error"]["kind"] == "storage" and "store://h/run" in record["error"]["message"]
    assert store.files["store://h/run/.markab"].startswith(b"u-2")


def test_files_are_removed_by_name_and_the_whole_by_its_owner(store: Store) -> None:
    do("create_dir")
    store.files.update({"store://h/run/d/a%201": b"", "store://h/run/b": b"", "store://h/precious": b""})

    record = do("cleanup", removes=["d/a 1", "gone", "../precious"])
    assert record["removed"] == 1 and record["error"]["kind"] == "refused" and "also" not in record
    assert do("cleanup", removes_scratch=True)["removed"] == 2
    assert list(store.files) == ["store://h/precious"]


def test_a_server_that_is_down_is_asked_again_later(store: Store) -> None:
    store.is_down = True

    assert do("create_dir")["error"]["kind"] == "transfer"
    assert do("cleanup", removes_scratch=True)["error"]["kind"] == "transfer"


def test_a_place_that_no_scheme_serves_is_named(store: Store) -> None:
    spec = make_spec(
        {"id": "c", "kind": "create_dir", "site": "local"}, 1, UUID, "w", work="/w", scratch_url="scp://h/run"
    )

    assert "unsupported URL scheme 'scp'" in run_auxiliary_job(spec)["error"]["message"]
