from __future__ import annotations

from pathlib import Path

from markab.reuse.locations import STORE_BYTES, Locations, find_locations


def places(index: str = "", store: str = "", **environment: str) -> Locations:
    return find_locations(index, store, directory=Path("/work"), environment=environment)


def test_they_are_in_the_directories_of_xdg() -> None:
    assert Locations("/state/markab/results.db", "/cache/markab/content", STORE_BYTES) == places(
        HOME="/home/me", XDG_STATE_HOME="/state", XDG_CACHE_HOME="/cache"
    )


def test_without_these_they_are_in_the_home_directory() -> None:
    expected = Locations("/home/me/.local/state/markab/results.db", "/home/me/.cache/markab/content")
    assert expected == places(HOME="/home/me")
    assert expected == places(HOME="/home/me", XDG_STATE_HOME="", XDG_CACHE_HOME="relative/is/ignored")


def test_names_begin_at_the_directory_of_the_properties_or_at_home() -> None:
    assert ("/work/r.db", "/scratch/kept") == places("r.db", "/scratch/kept", HOME="/home/me")[:2]
    assert ("/home/me/r.db", "/work/~x/s") == places("~/r.db", "~x/s", HOME="/home/me")[:2]


def test_a_relative_home_is_none() -> None:
    assert (None, None) == places(HOME="here")[:2]
    assert (None, None) == places("~/r.db", "~", HOME="here")[:2]
