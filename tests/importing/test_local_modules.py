from pathlib import Path

from markab.importing.local_modules import local_modules


def write(directory: Path, **files: str) -> None:
    for name, text in files.items():
        path = directory / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_modules_beside_a_program_are_found_through_each_other(tmp_path: Path) -> None:
    write(
        tmp_path,
        bin__run="import os, helper\nfrom pkg.part import f\nif 1:\n    import json as j, lazy\n",
        bin__helper="from other import *",
        bin__other="import helper",
        bin__lazy="broken (",
        bin__unused="",
        bin__pkg__init="",
        bin__pkg__part="",
        json="",
    )

    assert local_modules(tmp_path, "bin/run.py") == {
        f"bin/{name}.py" for name in ("helper", "other", "lazy", "pkg/init", "pkg/part")
    }


def test_what_is_no_program_imports_nothing(tmp_path: Path) -> None:
    write(tmp_path, bad="import (", loop="import loop")

    assert local_modules(tmp_path, "bad.py") == local_modules(tmp_path, "gone.py") == set()
    assert local_modules(tmp_path, "loop.py") == set()
