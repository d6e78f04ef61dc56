"""The entry points of the programs: Ctrl-C before a command begins."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType

import pytest

from markab.cli import pegasus
from markab.cli.entry_point import main


class Interrupted:
    """Finds modules for the importer, and is interrupted at one of them."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(self, name: str, *_: object) -> None:
        if name == self.name:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("program", "module", "code"),
    [(main, "markab.cli.main", 130), (pegasus.plan, "markab.cli.plan", 1), (pegasus.rc_client, "click", 1)],
)
def test_ctrl_c_during_the_imports_of_a_program_ends_it_in_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys, program: Callable[[], object], module: str, code: int
) -> None:
    for name in [name for name in sys.modules if name.startswith(("markab.cli.", "click"))]:
        if name not in ("markab.cli.entry_point", "markab.cli.pegasus"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Interrupted(module), *sys.meta_path])

    with pytest.raises(SystemExit) as ended:
        program()

    assert ended.value.code == code
    assert capsys.readouterr() == ("", "interrupted\n")


def test_the_entry_point_imports_no_command_at_its_top() -> None:
    import markab.cli.entry_point as found

    imported = [name for name, value in vars(found).items() if isinstance(value, ModuleType)]
    assert imported == []
