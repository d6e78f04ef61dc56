"""ARCHITECTURE.md is true: its files exist, its map is the contract, its glossary is what the files say of themselves."""

from __future__ import annotations

import re
import sys

from docs.glossary import PAGE, ROOT, SOURCE, glossary, written_glossary

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TEXT = PAGE.read_text()


def test_the_glossary_is_current() -> None:
    assert written_glossary() == glossary(), "run `make glossary`"


def test_every_file_that_it_names_exists() -> None:
    named = set(re.findall(r"`((?:[a-z_]+/)*[a-z_0-9]+\.py)\b", TEXT.partition("## Glossary of files")[0]))
    gone = [
        name
        for name in sorted(named)
        if not (ROOT / name).exists() and not (SOURCE / name).exists() and name != "base.py"
    ]

    assert len(named) > 40
    assert gone == []


def test_its_map_is_the_contract_that_the_imports_are_held_to() -> None:
    table = TEXT.partition("## Map")[2].partition("## Invariants")[0]
    rows = [
        row.removeprefix("../").rstrip("/") for row in re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    ]
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]

    assert [row.removesuffix(".py") for row in rows] == [
        layer.removeprefix("markab.") for layer in layers[::-1]
    ]
