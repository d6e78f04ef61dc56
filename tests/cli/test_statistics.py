"""`markab statistics` and `pegasus-statistics`, as programs and with their flags."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kit.diamond import diamond_story, failing_story, make_diamond
from markab.cli.statistics import pegasus_statistics, statistics

FILES = ["breakdown", "integrity", "jobs", "summary", "time", "workflow"]


def call(command: object, *words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])  # type: ignore[arg-type]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_diamond(tmp_path / "run", diamond_story())


def test_markab_prints_what_is_asked_for_and_writes_no_file(run: Path) -> None:
    done = call(statistics, run, "-s", "jobs,tf_stats")

    assert done.exit_code == 0
    assert [
        line for line in done.stdout.splitlines() if line.startswith(("# words", "# Jobs", "# Transf"))
    ] == [
        "# words: success, 6 jobs",
        "# Jobs, one line an attempt; times in seconds, memory in MB",
        "# Transformations, all attempts; times in seconds, memory in MB",
    ]
    assert not (run / "statistics").exists()


def test_files_go_where_they_are_wanted(run: Path, tmp_path: Path) -> None:
    call(statistics, run, "-s", "all", "-o", tmp_path / "out", "-f", "csv")

    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"{name}.csv" for name in FILES]


def test_csv_can_be_printed(run: Path) -> None:
    assert call(statistics, run, "-f", "csv").stdout.startswith("Type,Succeeded,Failed,")


def test_json_has_the_sections_that_are_asked_for(run: Path) -> None:
    plain = json.loads(call(statistics, run, "--json").stdout)
    more = json.loads(call(statistics, run, "--json", "-s", "all").stdout)

    assert plain["summary"]["jobs"]["total"] == 6
    assert more.keys() - plain.keys() == {"jobs", "transformations", "hours"}
    assert [row["attempt"] for row in more["jobs"] if row["job"] == "wc_B"] == [1, 2]


def test_instead_of_a_language_model_there_is_a_note(run: Path) -> None:
    done = call(pegasus_statistics, "--ai", run, "--plain", "--json")

    assert json.loads(done.stdout)["summary"]["jobs"]["total"] == 6
    assert done.stderr == "note: no language model is asked; the figures are printed without comments\n"
    assert not call(pegasus_statistics, "--ai", "false", run).stderr


def test_several_runs_end_with_their_sum(run: Path, tmp_path: Path) -> None:
    other = make_diamond(tmp_path / "other", failing_story())

    done = call(statistics, run, other)

    assert "# 2 runs in total" in done.stdout
    assert "Jobs 7 1 4 12 1 9" in [" ".join(line.split()) for line in done.stdout.splitlines()]


def test_a_section_that_is_none_is_refused_with_those_there_are(run: Path) -> None:
    done = call(statistics, run, "-s", "job")

    assert done.exit_code == 2
    assert "'job' is not a section" in done.stderr


def test_pegasus_writes_files_and_names_them(run: Path) -> None:
    done = call(pegasus_statistics, "-s", "all", run)

    assert done.exit_code == 0
    assert sorted(path.name for path in (run / "statistics").iterdir()) == [f"{name}.txt" for name in FILES]
    assert f"Summary                       : {run}/statistics/summary.txt" in done.stdout.splitlines()
    assert (run / "statistics" / "summary.txt").read_text() in done.stdout


def test_pegasus_takes_all_of_its_flags(run: Path, tmp_path: Path) -> None:
    words = ["-s", "wf_stats,jb_stats", "-s", "ti_stats", "-f", "csv", "-o", tmp_path / "o", "-t", "hour"]

    done = call(pegasus_statistics, *words, "-i", "-p", "-c", "x.properties", "-v", "-q", run)

    assert done.exit_code == 0
    assert sorted(p.name for p in (tmp_path / "o").iterdir()) == [
        "jobs.csv",
        "summary-time.csv",
        "summary.csv",
        "time-per-host.csv",
        "time.csv",
        "workflow.csv",
    ]
    assert (
        "invocations/host/hour,2027-01-15 08:00,here,6,6.0"
        in (tmp_path / "o" / "time-per-host.csv").read_text()
    )
    assert "summary.csv" not in done.stdout
    assert call(pegasus_statistics, "-V").stdout.startswith("5.")


def test_pegasus_is_given_several_runs_with_or_without_a_flag(run: Path, tmp_path: Path) -> None:
    other = make_diamond(tmp_path / "other", failing_story())

    assert "# 2 runs in total" in call(pegasus_statistics, run, other).stdout
    assert "# 2 runs in total" in call(pegasus_statistics, "-m", run, other).stdout
    assert "# 2 runs" not in call(pegasus_statistics, "-m", run).stdout


def test_a_run_can_be_named_by_its_uuid(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from markab.plan.braindump import read_braindump
    from markab.plan.submit_dir import SubmitDir
    from markab.provenance.database_location import target_of
    from markab.provenance.master_database import record_run

    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    unknown = call(pegasus_statistics, "-u", "7a3c")
    directory = SubmitDir(run)
    braindump = read_braindump(directory.braindump) | {"submit_dir": str(run)}
    assert not record_run(directory, braindump, target_of(directory, braindump), [])

    assert "there is no list of your runs yet" in unknown.stderr
    assert "# words: success, 6 jobs" in call(pegasus_statistics, "-u", "7a3c").stdout
    assert "has the UUID 'other'" in call(pegasus_statistics, "-u", "other").stderr
    assert "name the UUIDs" in call(pegasus_statistics, "-u").stderr


def test_what_is_no_run_gives_its_own_exit_code(tmp_path: Path) -> None:
    done = call(statistics, tmp_path)

    assert done.exit_code == 12
    assert "is not a submit directory" in done.stderr
