"""A request that an earlier run has answered is not planned again; any change of what it read or left means that it is."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kit.content_runs import Lab, Step
from markab.planner import request_key
from markab.planner.options import PlanOptions
from markab.planner.request_check import Answer, find_answer
from markab.reuse.index_survey import forget_runs
from markab.reuse.request_file import Request, read_request_file
from markab.reuse.result_index import open_index

STEPS = [Step("t0", ["in0"], "f0", line="t0", argument="${FLAVOUR}"), Step("t1", ["f0"], "f1", line="t1")]


@pytest.fixture(autouse=True)
def flavour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAVOUR", "sweet")


class LabWithTwoPlaces(Lab):
    """A laboratory whose input has a better replica, which does not exist."""

    def write(self) -> None:
        super().write()
        path = self.path / "workflow.yml"
        document = json.loads(path.read_text())
        pfns = document["replicaCatalog"]["replicas"][0]["pfns"]
        pfns.insert(0, {"site": "local", "pfn": str(self.path / "data/in0-first")})
        path.write_text(json.dumps(document))


def made_lab(path: Path) -> Lab:
    return LabWithTwoPlaces(path, [replace(step) for step in STEPS], {"in0": "first\n"})


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A laboratory after a run, in which tests change no file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLAVOUR", "sweet")
        lab = made_lab(tmp_path_factory.mktemp("kept"))
        lab.run()
        return lab


def test_an_unchanged_request_is_answered_by_the_run_that_made_its_results(kept: Lab) -> None:
    expected = Answer(kept.path / RUN, "lab", 2, [str(kept.results)])

    assert expected == find_answer(kept.plan_options())


Changed = Callable[[PlanOptions, pytest.MonkeyPatch], PlanOptions]


def option(**changed: Any) -> Changed:
    return lambda options, _: replace(options, **changed)


def properties(**changed: str) -> Changed:
    return lambda options, _: replace(options, properties=options.properties | changed)


def variable(name: str, value: str) -> Changed:
    def change(options: PlanOptions, patch: pytest.MonkeyPatch) -> PlanOptions:
        patch.setenv(name, value)
        return options

    return change


def unset(name: str) -> Changed:
    def change(options: PlanOptions, patch: pytest.MonkeyPatch) -> PlanOptions:
        patch.delenv(name, raising=False)
        return options

    return change


def other_version(options: PlanOptions, patch: pytest.MonkeyPatch) -> PlanOptions:
    patch.setattr(request_key, "__version__", "99")
    return options


def other_python(options: PlanOptions, patch: pytest.MonkeyPatch) -> PlanOptions:
    patch.setattr(sys, "prefix", "/elsewhere")
    return options


@pytest.mark.parametrize(
    "changed",
    [
        option(force=True),
        option(until=["f0"]),
        option(output_dir=Path("elsewhere")),
        option(output_sites=[]),
        option(sites=["local"]),
        option(reuse_policy="pegasus"),
        option(relative_dir="mine"),
        option(random_dir=True),
        option(input_dirs=[Path("data")]),
        option(dir=Path("runs")),
        properties(**{"pegasus.data.configuration": "nonsharedfs"}),
        properties(**{"markab.reuse.index": "/nowhere/index.db"}),
        variable("FLAVOUR", "sour"),
        unset("FLAVOUR"),
        variable("_PEGASUS__DATA__CONFIGURATION", "nonsharedfs"),
        variable("HOME", "/nowhere"),
        variable("PATH", "/nowhere"),
        other_version,
        other_python,
    ],
)
def test_another_request_is_planned(changed: Changed, kept: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    options = changed(kept.plan_options(), monkeypatch)

    assert find_answer(options) is None


def test_how_much_is_printed_makes_no_other_request(kept: Lab) -> None:
    assert find_answer(replace(kept.plan_options(), quiet=2, verbose=1)) is not None


def test_variables_that_no_document_has_do_not_count(kept: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "17")
    monkeypatch.setenv("FLAVOURS", "all")

    assert find_answer(kept.plan_options()) is not None


@contextmanager
def altered(path: Path, data: bytes) -> Iterator[None]:
    """Let a file have another content, with its time of change set back; then have its own again."""
    before, status = path.read_bytes(), path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    yield
    path.write_bytes(before)


@contextmanager
def absent(path: Path) -> Iterator[None]:
    away = path.with_name("away")
    path.rename(away)
    yield
    away.rename(path)


@contextmanager
def present(path: Path, text: str = "") -> Iterator[None]:
    path.write_text(text)
    yield
    path.unlink()


def swapped(path: Path) -> AbstractContextManager[None]:
    return altered(path, path.read_bytes().swapcase())


@contextmanager
def pruned(index_file: Path) -> Iterator[None]:
    with altered(index_file, index_file.read_bytes()):
        with open_index(str(index_file), create=False) as index:
            assert forget_runs(index, float("inf"))
        yield


RUN = f"{getpass.getuser()}/pegasus/lab/run0001"
CHANGES: dict[str, Callable[[Path], AbstractContextManager[None]]] = {
    "an input is altered": lambda lab: swapped(lab / "data/in0"),
    "an input is gone": lambda lab: absent(lab / "data/in0"),
    "an input has another replica now": lambda lab: present(lab / "data/in0-first", "first\n"),
    "a program is altered": lambda lab: swapped(lab / "bin/t0"),
    "a program is gone": lambda lab: absent(lab / "bin/t0"),
    "the document is altered": lambda lab: swapped(lab / "workflow.yml"),
    "the document is gone": lambda lab: absent(lab / "workflow.yml"),
    "there are properties": lambda lab: present(lab / "pegasus.properties"),
    "there is a replica catalog": lambda lab: present(lab / "replicas.yml"),
    "there is a site catalog": lambda lab: present(lab / "sites.yml"),
    "there is a transformation catalog": lambda lab: present(lab / "transformations.yml"),
    "the run is gone": lambda lab: absent(lab / RUN),
    "the record of the request is cut": lambda lab: altered(lab / RUN / "request.json", b'{"key"'),
    "the record of the results is gone": lambda lab: absent(lab / RUN / "finished.json"),
    "the index is gone": lambda lab: absent(lab / "index.db"),
    "the index is damaged": lambda lab: altered(lab / "index.db", b"no index"),
    "the index was pruned": lambda lab: pruned(lab / "index.db"),
}


@pytest.mark.parametrize("title", CHANGES)
def test_after_a_change_it_is_planned(title: str, kept: Lab) -> None:
    with CHANGES[title](kept.path):
        assert find_answer(kept.plan_options()) is None

    assert find_answer(kept.plan_options()) is not None


def replaced(path: Path) -> None:
    """Put another file in place of one, with its size and its time of change."""
    before = path.stat()
    part = path.with_name("part")
    part.write_text(path.read_text().swapcase())
    os.utime(part, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(part, path)


def overwritten(path: Path) -> None:
    """Alter a file in place, and set its time of change back."""
    before = path.stat()
    path.write_text(path.read_text().swapcase())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def linked(path: Path) -> None:
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")


@pytest.mark.parametrize("lose", [os.unlink, replaced, overwritten, linked])
def test_a_result_that_is_gone_or_another_file_is_noticed(
    lose: Callable[[Path], None], tmp_path: Path
) -> None:
    lab = made_lab(tmp_path)
    lab.run()
    assert find_answer(lab.plan_options()) is not None

    lose(lab.results / "f1")

    assert find_answer(lab.plan_options()) is None


def test_touched_inputs_programs_and_documents_are_the_same(kept: Lab) -> None:
    for name in ("data/in0", "bin/t0", "workflow.yml"):
        os.utime(kept.path / name)

    assert find_answer(kept.plan_options()) is not None


def test_another_program_that_path_finds_first_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for place in (first, second):
        place.mkdir()
    monkeypatch.setenv("PATH", f"{first}:{second}:{os.environ['PATH']}")
    lab = LabOnPath(tmp_path, [Step("t0", ["in0"], "f0")], {"in0": "first\n"}, programs=second)
    lab.run()
    assert find_answer(lab.plan_options()) is not None

    (first / "tool_t0").write_text("#!/bin/sh\n")

    assert find_answer(lab.plan_options()) is None


class LabOnPath(Lab):
    """A laboratory whose programs are in no catalog."""

    def write(self) -> None:
        super().write()
        path = self.path / "workflow.yml"
        document = json.loads(path.read_text())
        del document["transformationCatalog"]
        path.write_text(json.dumps(document))
        for step in self.steps:
            assert self.programs is not None
            (self.programs / f"tool_{step.name}").write_text(step.program())
            (self.programs / f"tool_{step.name}").chmod(0o755)


_opened: list[str] | None = None


def note_opened(event: str, arguments: tuple[Any, ...]) -> None:
    if (
        _opened is not None
        and event in ("open", "os.listdir", "os.scandir")
        and isinstance(arguments[0], str)
    ):
        _opened.append(os.path.abspath(arguments[0]))


def test_all_files_that_planning_opens_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lab = made_lab(tmp_path)
    (tmp_path / "pegasus.properties").write_text("markab.keep.failed = false\n")
    (tmp_path / "sites.yml").write_text("pegasus: 5.0.4\nsites: []\n")
    (tmp_path / "cached.txt").write_text("")
    lab.options = {"cache": [Path("cached.txt")], "conf": tmp_path / "pegasus.properties"}
    lab.write()
    opened: list[str] = []
    sys.addaudithook(note_opened)
    monkeypatch.setattr(sys.modules[__name__], "_opened", opened)
    planned = lab.plan()
    monkeypatch.undo()

    assert planned.submit_dir is not None
    request = read_request_file(planned.submit_dir / "request.json", Request)
    assert request is not None
    compared = {one.path for one in (*request.documents, *request.files)}
    own = (str(planned.submit_dir), str(lab.store), str(lab.path / "index.db"), str(lab.path / "wf-scratch"))
    used = {path for path in opened if path.startswith(f"{tmp_path}/") and not path.startswith(own)}
    documents = {
        str(tmp_path / name) for name in ("workflow.yml", "pegasus.properties", "sites.yml", "cached.txt")
    }
    assert documents <= used
    assert set() == used - compared - {str(path) for path in planned.submit_dir.parents}
