"""The packed worker is compiled once for all runs of a user."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from markab.executors.remote import compiled_worker as module
from markab.executors.remote.compiled_worker import compiled_worker


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The cache of a user, and no memory of earlier calls."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiled_worker.cache_clear()
    yield tmp_path / "markab" / "workers"
    compiled_worker.cache_clear()


def make() -> bytes:
    compiled_worker.cache_clear()
    return compiled_worker()


def count_compilations(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    made: list[Path] = []
    compile_ = module._compiled
    monkeypatch.setattr(module, "_compiled", lambda path: made.append(path) or compile_(path))
    return made


def test_a_worker_that_is_kept_is_not_compiled_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = count_compilations(monkeypatch)
    first = make()

    assert make() == first and len(made) == 1
    assert len(list(cache.iterdir())) == 1
    names = zipfile.ZipFile(io.BytesIO(first)).namelist()
    assert "markab/worker/__main__.py" in names and "markab/worker/__main__.pyc" in names


@pytest.mark.parametrize("size", [0, 20, 32, 40, 5000])
def test_a_kept_worker_that_is_cut_anywhere_is_made_again(
    cache: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    made = count_compilations(monkeypatch)
    first = make()
    (kept,) = cache.iterdir()
    kept.write_bytes(kept.read_bytes()[:size])

    assert make() == first and len(made) == 2
    assert make() == first and len(made) == 2


def test_a_changed_worker_is_another_one(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make()
    pack = module.pack

    def pack_more(path: str) -> None:
        pack(path)
        with zipfile.ZipFile(path, "a") as packed:
            packed.writestr("markab/more.py", "x = 1\n")

    monkeypatch.setattr(module, "pack", pack_more)

    assert "markab/more.pyc" in zipfile.ZipFile(io.BytesIO(make())).namelist()
    assert len(list(cache.iterdir())) == 2
    monkeypatch.setattr(module, "KEPT_S", -1.0)
    for kept in cache.iterdir():
        kept.unlink()
    (cache / "old").write_bytes(b"")
    make()
    assert not (cache / "old").exists(), "workers of other versions go in the end"


def test_a_user_without_a_cache_has_a_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_cache = make()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    assert make() == with_cache
