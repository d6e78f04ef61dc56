import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from markab import operations
from markab.errors import StorageError
from markab.operations import project_directory, starters
from markab.spec.reader import read_workflow

FOLDER = Path(starters.__file__).parents[1] / "templates"
SOURCES = Path(__file__).parents[2] / "src"


def all_files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def fill_the_disk_after(files: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every file after these fail."""
    real, left = os.open, iter(range(files))

    def limited(path, flags, *rest, **options):
        if flags & os.O_EXCL and str(path).rpartition(".")[2] != "lock" and next(left, None) is None:
            raise OSError(28, "No space left on device", str(path))
        return real(path, flags, *rest, **options)

    monkeypatch.setattr(project_directory.os, "open", limited)


def test_every_template_has_a_line_in_the_table() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted([*starters.TEMPLATES, "common"])


@pytest.mark.parametrize("template", starters.TEMPLATES)
def test_a_project_has_what_it_needs_and_nothing_left_to_replace(template: str, tmp_path: Path) -> None:
    project = tmp_path / "mine"
    written = operations.make_project(template, project)

    assert sorted(str(path.relative_to(project)) for path in written) == all_files(project)
    assert {".gitignore", "Makefile", "README.md", "workflow.py", "tests/test_workflow.py"} <= set(
        all_files(project)
    )
    texts = [path.read_text() for path in written]
    assert not any("@NAME@" in text for text in texts) and not any(path.suffix == ".in" for path in written)
    assert 'Workflow("mine")' in (project / "workflow.py").read_text()
    programs = list((project / "bin").iterdir())
    assert programs and all(os.access(path, os.X_OK) for path in programs)
    for path in written:
        if path.suffix == ".py":
            compile(path.read_text(), str(path), "exec")


def test_a_built_document_is_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    operations.make_project("batch-tree", tmp_path / "p", "tree")
    monkeypatch.chdir(tmp_path / "p")
    options = operations.run_script(Path("workflow.py"))

    assert operations.lint(options).findings == []
    assert str(options.dir).endswith("runs") and str(options.output_dir).endswith("results")
    workflow = read_workflow(options.workflow)
    assert workflow.name == "tree" and len(workflow.jobs) == 11


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "merge.py").symlink_to("nowhere")

    with pytest.raises(
        StorageError, match=r"already has README\.md, bin/merge\.py, and nothing is overwritten"
    ):
        operations.make_project("map-merge", tmp_path)
    assert all_files(tmp_path) == ["README.md"] and (tmp_path / "README.md").read_text() == "mine"


def test_a_project_can_be_put_into_a_directory_with_other_files(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("mine")
    operations.make_project("map", tmp_path, "w")

    assert "workflow.py" in all_files(tmp_path) and (tmp_path / "LICENSE").read_text() == "mine"


def test_a_project_appears_at_once_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_the_disk_after(3, monkeypatch)
    with pytest.raises(StorageError, match="No space left on device") as caught:
        operations.make_project("map", tmp_path / "a" / "p")
    assert all_files(tmp_path) == [] and not (tmp_path / "a" / "p").exists()
    assert f"cannot write '{tmp_path}/a/p/" in str(caught.value)


def test_in_a_directory_with_other_files_it_appears_at_once_or_not_at_all_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "LICENSE").write_text("mine")

    fill_the_disk_after(5, monkeypatch)
    with pytest.raises(StorageError, match="No space left on device"):
        operations.make_project("map", tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["LICENSE", "bin"]


def test_a_link_to_nothing_is_named_as_it_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("p").symlink_to("nowhere")

    with pytest.raises(StorageError, match="^p is a link to nothing$"):
        operations.make_project("map", Path("p"))
    assert os.listdir() == ["p"]


def test_a_directory_below_a_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StorageError, match="cannot write"):
        operations.make_project("map", tmp_path / "file" / "p")


@pytest.mark.parametrize(
    ("folder", "name"),
    [("my analysis", "my-analysis"), ("naïve", "na-ve"), ("...", "workflow"), ("a.b", "a.b")],
)
def test_the_name_of_a_directory_becomes_that_of_the_workflow(tmp_path: Path, folder: str, name: str) -> None:
    assert operations.default_name(tmp_path / folder if folder != "..." else Path("/")) == name


@pytest.mark.parametrize("name", ['a"b', "a/b", "-x", "a b", "x" * 81])
def test_a_name_that_no_workflow_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(operations.WrongStarter, match="cannot be the name"):
        operations.make_project("map", tmp_path / "p", name)
    assert not (tmp_path / "p").exists()


def test_programs_of_a_project_can_be_run_by_those_who_may_read_them(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        operations.make_project("map", tmp_path / "p")
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "p/bin/summarise.py").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "p/workflow.py").stat().st_mode) == 0o644


@pytest.mark.integration
@pytest.mark.parametrize("template", starters.TEMPLATES)
def test_each_template_runs_and_passes_its_own_tests(template: str, tmp_path: Path) -> None:
    project = tmp_path / "project"
    operations.make_project(template, project)
    done = subprocess.run(
        [sys.executable, "-m", "unittest", "discover", "-s", "tests"],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert done.returncode == 0, done.stderr
    assert "Ran 2 tests" in done.stderr


@pytest.mark.integration
def test_a_wheel_has_every_template(tmp_path: Path) -> None:
    """Needs the build back end: `pip install hatchling`."""
    import zipfile

    wheels = pytest.importorskip("hatchling.builders.wheel")
    (made,) = wheels.WheelBuilder(str(SOURCES.parent)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(made) as wheel:
        found = {name.partition("templates/")[2] for name in wheel.namelist() if "markab/templates/" in name}

    assert found == set(all_files(FOLDER))
