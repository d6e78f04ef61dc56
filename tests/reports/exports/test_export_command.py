from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from kit.made_run import began, compute, end, engine_alive, make_run, start
from markab.cli.export import DIRECTORIES as NOT_OFFERED_ON_STDOUT
from markab.cli.export import FORMATS as OFFERED
from markab.cli.main import markab
from markab.errors import MarkabError, NotARun, StorageError
from markab.reports.exports.formats import DIRECTORIES, FORMATS, export_run
from reports.exports.real_run import add_document, call


def a_run(directory: Path) -> Path:
    entries = [began(), start(0), end(0, invocations=[RAN]), start(1)]
    return add_document(make_run(directory, [compute("a"), compute("b")], entries))


RAN = {"task": "a", "argv": ["wc"], "start": 1.0, "duration_s": 0.5, "status": 0}


def test_the_command_offers_what_there_is() -> None:
    assert FORMATS == OFFERED
    assert set(DIRECTORIES) == set(NOT_OFFERED_ON_STDOUT)


@pytest.mark.parametrize("format", FORMATS)
def test_a_run_in_progress_is_exported_and_the_rest_named(format: str, tmp_path: Path) -> None:
    if format == "parquet":
        pytest.importorskip("pyarrow")
    run = a_run(tmp_path / "r")

    with engine_alive(run):
        notes = export_run(run, format, tmp_path / "out")

    assert [
        "the run is in progress: attempts that have not ended are left out, or marked as running"
    ] == notes
    assert (tmp_path / "out").is_dir() == (format in DIRECTORIES)


@pytest.mark.parametrize("format", FORMATS)
def test_an_export_over_an_older_one_replaces_it(format: str, tmp_path: Path) -> None:
    if format == "parquet":
        pytest.importorskip("pyarrow")
    run = a_run(tmp_path / "r")

    export_run(run, format, tmp_path / "out")
    export_run(run, format, tmp_path / "out")

    assert [] == list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize("format", FORMATS)
def test_a_path_of_the_wrong_kind_is_refused_before_anything_is_read(format: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("mine") if format in DIRECTORIES else wrong.mkdir()

    with pytest.raises(StorageError, match="wrong") as caught:
        export_run(tmp_path / "no-run", format, wrong)

    assert "-o" in caught.value.hint


def test_a_directory_that_is_no_run_and_a_format_that_is_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotARun, match="is not a submit directory"):
        export_run(tmp_path, "csv", tmp_path / "out")
    with pytest.raises(MarkabError, match="unknown format 'xml'"):
        export_run(tmp_path, "xml", tmp_path / "out")


def test_a_directory_that_is_not_there_leaves_no_half_file(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")

    with pytest.raises(StorageError, match="cannot write"):
        export_run(run, "prov", tmp_path / "none/out.json")


def test_the_command_writes_the_file_and_notes_go_to_stderr(failed_run: Path, tmp_path: Path) -> None:
    done = call("export", failed_run, "--format", "csv", "-o", "out.csv", cwd=tmp_path)

    assert (0, "") == (done.returncode, done.stdout)
    assert "note: the run is not complete" in done.stderr
    assert (tmp_path / "out.csv").exists()
    quiet = call("export", failed_run, "--format", "csv", "-o", "out.csv", "--quiet", cwd=tmp_path)
    assert (0, "") == (quiet.returncode, quiet.stderr)


def test_a_license_elsewhere_than_in_a_crate_is_refused(failed_run: Path, tmp_path: Path) -> None:
    done = call("export", failed_run, "-F", "csv", "-o", "x", "--license", "MIT", cwd=tmp_path)

    assert 2 == done.returncode
    assert "--license is for --format ro-crate only" in done.stderr


def test_notes_are_part_of_the_object_with_json(failed_run: Path, tmp_path: Path) -> None:
    done = call("export", failed_run, "-F", "csv", "-o", "x.csv", "--json", cwd=tmp_path)

    known = json.loads(done.stdout)
    assert (known["export"], known["format"]) == (str(tmp_path / "x.csv"), "csv")
    assert "not complete" in known["notes"][0] and done.stderr == ""


def test_a_dash_is_stdout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = str(a_run(tmp_path / "r"))
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    printed = runner.invoke(markab, ["export", "-F", "csv", "-o", "-", run])
    runner.invoke(markab, ["export", "-F", "csv", "-o", "file.csv", run])
    assert printed.stdout_bytes == (tmp_path / "file.csv").read_bytes() and not (tmp_path / "-").exists()
    for more in (["-F", "ro-crate"], ["-F", "csv", "--json"]):
        assert runner.invoke(markab, ["export", *more, "-o", "-", run]).exit_code == 2
