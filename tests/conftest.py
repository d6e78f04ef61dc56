"""No test touches what belongs to the user who runs the tests: home and cache are elsewhere.

And none fails because the machine is busy with something else: properties have no deadline.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import settings

from kit import grid_engine, slurm_cluster

if TYPE_CHECKING:
    from kit.htcondor_pool import Pool

T = TypeVar("T")

# What takes long to make, as the programs of a batch system, outlives the tests. Set before HOME changes, and for child processes too.
_cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
os.environ.setdefault("MARKAB_TEST_CACHE", os.path.join(_cache, "markab-tests"))

_elsewhere = tempfile.TemporaryDirectory(prefix="markab-home-", ignore_cleanup_errors=True)
os.environ["HOME"] = _elsewhere.name
os.environ["XDG_CACHE_HOME"] = os.path.join(_elsewhere.name, "cache")
os.environ["XDG_STATE_HOME"] = os.path.join(_elsewhere.name, "state")

settings.register_profile("markab", deadline=None)
settings.load_profile("markab")


# A runner started in the background may hand us signals that are ignored, and with them every program we start.
for _number, _usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)


@pytest.fixture(scope="session")
def shared_slurm() -> Iterator[None]:
    """A real Slurm that all tests share; commands of Slurm that this process starts reach it."""
    with _shared("slurm", slurm_cluster.why_not(), slurm_cluster.shared_cluster) as cluster:
        os.environ.update(cluster.environ)
        yield


@pytest.fixture(scope="session")
def shared_sge() -> Iterator[None]:
    """A real Grid Engine that all tests share; its commands that this process starts reach it."""
    with _shared("sge", grid_engine.why_not(), grid_engine.shared_cell) as cell:
        os.environ.update(cell.environ)
        yield


def _shared(
    name: str, why_not: str, start: Callable[[], AbstractContextManager[T]]
) -> AbstractContextManager[T]:
    if why_not:
        pytest.skip(f"{name}: {why_not}") if "CI" not in os.environ else pytest.fail(f"{name}: {why_not}")
    return start()


@pytest.fixture
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home without the runs of other tests."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.delenv("XDG_STATE_HOME")


@pytest.fixture(scope="session")
def shared_htcondor() -> Iterator[Pool]:
    """The pool of this run of the tests, started when the first test asks for it."""
    from kit.debian_tree import why_not
    from kit.htcondor_pool import shared_pool

    if why := why_not():
        assert not os.environ.get("CI"), why
        pytest.skip(f"no HTCondor pool: {why}")
    with shared_pool() as pool:
        yield pool


@pytest.fixture
def htcondor(
    shared_htcondor: Pool, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Pool:
    """An HTCondor pool to which this machine submits."""
    shared_htcondor.below = str(tmp_path_factory.getbasetemp())
    for name, value in shared_htcondor.environ.items():
        monkeypatch.setenv(name, value)
    return shared_htcondor
