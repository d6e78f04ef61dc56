"""The statistics of runs whose numbers were worked out by hand."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from kit.diamond import DIAMOND, compute, made, make_diamond, process
from kit.made_run import T0, began, end, ended, engine_alive, failed, make_run, start
from markab.errors import NotARun, StorageError
from markab.journal.records import GiveUp, Retry, Undone
from markab.journal.run_times import RunTimes
from markab.provenance.queries import Count
from markab.provenance.run_database import Database, open_database
from markab.reports.statistics import tree_statistics
from markab.reports.statistics.files import section_rows, section_text, write_files
from markab.reports.statistics.run_statistics import SECTIONS
from markab.reports.statistics.text import in_words, summary_text, total_text
from markab.reports.statistics.tree_statistics import read_statistics

FOUR = [compute("a"), compute("b", 0, retries=1), compute("c", 0), compute("d", 1, 2)]
#  second  0         10   11     13   15       20  21   25  26
#  a       ==========
#  b                 =====XXXXXXX     =========
#  c                      =======================
#  d                                              =====
STORY = [
    began(cores=2),
    start(0, time=T0),
    end(0, time=T0 + 10, invocations=[process("a", duration_s=9.0)]),
    start(1, time=T0 + 10),
    start(2, time=T0 + 11),
    failed(1, time=T0 + 13, invocations=[process("b", 256, duration_s=2.5)]),
    Retry(T0 + 13, 1, 1, 2.0),
    start(1, 2, time=T0 + 15),
    end(
        1, 2, time=T0 + 20,
        invocations=[process("b", duration_s=4.0)],
        checked={"count": 3, "failed": 0, "duration_s": 0.5},
        outputs=[made("x"), made("y")],
        hashed={"count": 2, "duration_s": 0.25},
        transfers=[{"lfn": "x", "bytes": 3000, "duration_s": 1.5}],
    ),
    end(2, time=T0 + 21, invocations=[process("c", duration_s=10.0)]),
    start(3, time=T0 + 21),
    end(3, time=T0 + 25, invocations=[process("d", duration_s=3.0)]),
    ended("success", time=T0 + 26),
]  # fmt: skip


def test_a_run_with_a_retry(tmp_path: Path) -> None:
    found = read_statistics(make_run(tmp_path, FOUR, STORY))

    assert found.state == "Success"
    assert found.summary.tasks == found.summary.jobs == Count(succeeded=4, failed=0, unfinished=0, retries=1)
    assert found.summary.sub_workflows == Count(0, 0, 0, 0)
    times = found.wall_times
    assert (times.jobs_s, times.jobs_submit_side_s) == (9 + 2.5 + 4 + 10 + 3, 32)
    assert found.times == RunTimes(elapsed_s=26, active_s=26, job_s=32)
    assert (times.bad_jobs_s, times.bad_jobs_submit_side_s) == (2.5, 3)
    time_use = found.time_use
    assert (time_use.waiting_s, time_use.queued_s) == (2 + 1, 0)
    assert (time_use.running_mean, time_use.running_peak) == (32 / 26, 2)
    assert (time_use.path_s, [step.job for step in time_use.path]) == (24, ["wc_a", "wc_c", "wc_d"])
    assert (time_use.possible_mean, time_use.possible_peak) == (29 / 24, 2)
    assert (time_use.cores, time_use.cores_asked_mean, time_use.cores_given_mean) == (2, 32 / 26, 32 / 26)
    assert time_use.cores_used_mean == pytest.approx(5 * 0.5 / 26)
    assert [(m.kind, m.files, m.bytes, m.duration_s) for m in found.moved] == [("compute", 1, 3000, 1.5)]
    assert [(c.type, c.count, c.duration_s) for c in found.integrity.counts] == [
        ("check", 3, 0.5),
        ("compute", 2, 0.25),
    ]


def test_the_text_has_the_table_and_the_lines_that_scripts_look_for(tmp_path: Path) -> None:
    text = summary_text(read_statistics(make_run(tmp_path, FOUR, STORY)))

    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert "Type Succeeded Failed Incomplete Total Retries Total+Retries" in rows
    assert "Tasks 4 0 0 4 1 5" in rows
    assert "Jobs 4 0 0 4 1 5" in rows
    assert "Sub-Workflows 0 0 0 0 0 0" in rows
    for line in (
        "Workflow wall time                                       : 26 secs",
        "Cumulative job wall time                                 : 28.5 secs",
        "Cumulative job wall time as seen from submit side        : 32 secs",
        "Cumulative job badput wall time                          : 2.5 secs",
        "Cumulative job badput wall time as seen from submit side : 3 secs",
        "3 files checksums compared with total duration of 0.5 secs",
        "2 files checksums generated with total duration of 0.25 secs",
        "by compute jobs  1 file  2.9 KB  in 1.5 secs  2.0 KB/s",
        "elapsed time  26 secs  from the first start to the last end",
        "active time   26 secs  an engine was at work (workflow wall time)",
        "job time      32 secs  all attempts together",
        "# Cores of this machine, 2 for jobs: averages of the active time",
        "asked for by running jobs  1.23  62 %",
        "given to them              1.23  62 %",
        "used (processor time)      0.10   5 %",
        "# Critical path: 3 jobs, 24 secs, 92 % of the active time",
    ):
        assert line in text.splitlines()


def test_a_failed_run_that_was_continued_counts_its_badput_and_not_the_night(tmp_path: Path) -> None:
    entries = [
        began(),
        start(0, time=T0 + 1),
        failed(0, time=T0 + 5, invocations=[process("a", 256, duration_s=3.0)]),
        GiveUp(T0 + 5, 0, 1),
        ended("failed", time=T0 + 6),
    ]
    run = make_run(tmp_path, [compute("a"), compute("b", 0)], entries)
    before = read_statistics(run)
    entries += [
        began(T0 + 100, restart=1),
        start(0, 2, time=T0 + 101),
        end(0, 2, time=T0 + 104, invocations=[process("a", duration_s=2.0)]),
        start(1, time=T0 + 104),
        end(1, time=T0 + 107, invocations=[process("b", duration_s=2.0)]),
        ended("success", time=T0 + 110),
    ]
    make_run(tmp_path, [compute("a"), compute("b", 0)], entries)

    after = read_statistics(run)

    assert (before.state, before.summary.jobs) == ("Failure", Count(0, 1, 1, 0))
    assert (before.times, before.wall_times.bad_jobs_s) == (RunTimes(6, 6, 4), 3)
    assert (after.state, after.summary.jobs) == ("Success", Count(2, 0, 0, 1))
    assert after.times == RunTimes(elapsed_s=110, active_s=16, job_s=10)
    assert (after.wall_times.jobs_s, after.wall_times.jobs_submit_side_s) == (7, 10)
    assert (after.wall_times.bad_jobs_s, after.wall_times.bad_jobs_submit_side_s) == (3, 4)
    assert after.time_use.waiting_s == 1 + 2
    assert after.run.restarts == 1


def test_a_job_whose_files_were_lost_has_not_succeeded_until_it_has_again(tmp_path: Path) -> None:
    stage_in, task = DIAMOND[0], compute("a", 0)
    entries = [
        began(),
        *(start(0), end(0), start(1), end(1)),
        ended("halted"),
        began(T0 + 20, restart=1),
        Undone(T0 + 20, 0, 1, "'/scratch/f.a', which it made, is gone"),
        Undone(T0 + 20, 1, 1, "'/scratch/x', which it made, is gone"),
        *(start(0, 2, time=T0 + 21), end(0, 2, time=T0 + 22), start(1, 2, time=T0 + 23)),
        end(1, 2, time=T0 + 24),
    ]

    def counts_after(records: int) -> tuple[Count, Count]:
        found = read_statistics(make_run(tmp_path, [stage_in, task], entries[:records])).summary
        return found.jobs, found.tasks

    assert counts_after(6) == (Count(2, 0, 0, 0), Count(1, 0, 0, 0))
    assert counts_after(8) == (Count(1, 0, 1, 0), Count(1, 0, 0, 0)), "one is undone: the transfer"
    assert counts_after(9) == (Count(0, 0, 2, 0), Count(0, 0, 1, 0))
    assert counts_after(11) == (Count(1, 0, 1, 1), Count(0, 0, 1, 0))
    assert counts_after(12) == (Count(1, 0, 1, 2), Count(0, 0, 1, 1))
    assert counts_after(13) == (Count(2, 0, 0, 2), Count(1, 0, 0, 1))


def test_a_run_in_progress_says_so_far(tmp_path: Path) -> None:
    run = make_run(tmp_path, FOUR, STORY[:5])

    with engine_alive(run):
        found = read_statistics(run, clock=lambda: T0 + 12)

    assert (found.state, found.summary.jobs) == ("Running", Count(1, 0, 3, 0))
    assert (found.times, found.time_use.running_peak) == (RunTimes(12, 12, 10 + 2 + 1), 2)
    assert "Workflow wall time                                       : 12 secs so far" in summary_text(found)


def test_a_run_whose_engine_was_killed_is_halted(tmp_path: Path) -> None:
    found = read_statistics(make_run(tmp_path, FOUR, STORY[:5]))

    assert (found.state, found.times) == ("Halted", RunTimes(11, 11, 10))


def test_an_engine_that_ends_while_it_is_asked_about_is_not_taken_for_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path, FOUR, STORY[:-1])

    def open_after_its_end(path: Path) -> Database:
        make_run(tmp_path, FOUR, STORY)
        return open_database(path)

    monkeypatch.setattr(tree_statistics, "open_database", open_after_its_end)
    with engine_alive(run):
        assert read_statistics(run).state == "Success"
    with engine_alive(run):
        monkeypatch.setattr(tree_statistics, "open_database", open_database)
        make_run(tmp_path, FOUR, STORY[:-1])
        monkeypatch.setattr(tree_statistics, "holder", lambda lock: _end_and_say_alive(tmp_path))
        assert read_statistics(run).state == "Success"


def _end_and_say_alive(run: Path) -> int:
    make_run(run, FOUR, STORY)
    return 4711


def test_a_run_that_never_started_has_nothing_but_unfinished_jobs(tmp_path: Path) -> None:
    found = read_statistics(make_run(tmp_path, FOUR), SECTIONS)

    assert (found.state, found.summary.jobs, found.summary.tasks) == (
        "Not started",
        Count(0, 0, 4, 0),
        Count(0, 0, 4, 0),
    )
    assert "Workflow wall time                                       : -" in summary_text(found)
    assert all(section_text(found, section) for section in SECTIONS)


def test_a_run_without_jobs_has_statistics(tmp_path: Path) -> None:
    found = read_statistics(make_run(tmp_path, [], [began(), ended("success", time=T0)]), SECTIONS)

    assert (found.state, found.summary.jobs.total, found.time_use.path) == ("Success", 0, [])
    assert summary_text(found)


def test_checksum_errors_count_in_all_attempts_and_failures_by_the_last(tmp_path: Path) -> None:
    bad = {"count": 2, "failed": 2, "duration_s": 0.1}
    entries = [
        began(),
        start(0),
        failed(0, checked=bad),
        start(0, 2),
        end(0, 2),
        start(1),
        failed(1, checked=bad),
        start(2),
        end(2, checked=bad),
        ended("failed"),
    ]
    jobs = [compute("a", retries=1), compute("b"), compute("c")]

    found = read_statistics(make_run(tmp_path, jobs, entries))

    assert (found.integrity.errors, found.integrity.failed_jobs) == (6, 1)
    assert "Failures: 1 job failures had integrity errors" in summary_text(found)


def test_sections_have_a_row_each(tmp_path: Path) -> None:
    found = read_statistics(make_run(tmp_path, FOUR, STORY), SECTIONS)

    jobs = section_rows(found, "jobs")
    tries = [(row[0], row[1], row[6], row[9]) for row in jobs[1:]]
    assert tries == [
        ("wc_a", 1, 0, 10.0),
        ("wc_b", 1, 1, 3.0),
        ("wc_b", 2, 0, 5.0),
        ("wc_c", 1, 0, 10.0),
        ("wc_d", 1, 0, 4.0),
    ]
    (row,) = section_rows(found, "transformations")[1:]
    assert row[:9] == ("ns::wc:1.0", "compute", 5, 4, 1, 2.5, 10.0, 5.7, 28.5)
    assert section_rows(found, "workflow")[2] == ("words", "Jobs", 4, 0, 0, 4, 1, 5)
    assert section_rows(found, "integrity")[1:] == [
        ("check", "input", 3, 0.5),
        ("compute", "output", 2, 0.25),
        ("errors", "-", 0, None),
    ]


def test_time_is_added_up_by_hour_and_by_day(tmp_path: Path) -> None:
    later = [process("a", start=T0 + 3700, duration_s=4.0)]
    entries = [began(), start(0), end(0, invocations=[process("a")]), start(1), end(1, invocations=later)]

    found = read_statistics(make_run(tmp_path, [compute("a"), compute("b")], entries), SECTIONS)

    assert section_rows(found, "time", "hour")[1:] == [
        ("2027-01-15 08:00", "local", "here", 1, 1.0),
        ("2027-01-15 09:00", "local", "here", 1, 4.0),
    ]
    assert section_rows(found, "time", "day")[1:] == [("2027-01-15", "local", "here", 2, 5.0)]


def test_files_are_written_as_text_and_as_csv(tmp_path: Path) -> None:
    found = read_statistics(make_run(tmp_path / "run", FOUR, STORY), SECTIONS)

    text = write_files(found, SECTIONS, tmp_path / "out" / "deep")
    table = write_files(found, ["jobs"], tmp_path / "out", "csv")

    names = ["summary", "workflow", "jobs", "breakdown", "time", "integrity"]
    assert [path.name for path in text] == [f"{name}.txt" for name in names]
    assert [path.name for path in table] == ["summary.csv", "jobs.csv"]
    with table[1].open() as file:
        rows = list(csv.DictReader(file))
    assert (rows[1]["Job"], rows[1]["Exitcode"], rows[1]["CPU-Time(s)"]) == ("wc_b", "1", "0.5")
    assert "Critical path,24.0" in table[0].read_text().splitlines()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    found = read_statistics(make_run(tmp_path / "run", FOUR, STORY))
    (tmp_path / "out").mkdir(mode=0o555)

    with pytest.raises(StorageError, match="out"):
        write_files(found, (), tmp_path / "out")


def test_a_file_in_the_way_of_the_directory_is_named(tmp_path: Path) -> None:
    found = read_statistics(make_run(tmp_path / "run", FOUR, STORY))
    (tmp_path / "out").write_text("")

    with pytest.raises(StorageError, match="out"):
        write_files(found, (), tmp_path / "out")


def test_plain_data_have_the_totals_of_the_table_and_the_critical_path(tmp_path: Path) -> None:
    shown = read_statistics(make_run(tmp_path, FOUR, STORY)).to_json()

    assert shown["summary"]["jobs"]["total_retries"] == 5
    assert shown["time_use"]["path"][0] == {"job": "wc_a", "runtime_s": 10.0}


def test_several_runs_are_added_up(tmp_path: Path) -> None:
    one = read_statistics(make_run(tmp_path / "one", FOUR, STORY))
    two = read_statistics(make_diamond(tmp_path / "two"))

    rows = [" ".join(line.split()) for line in total_text([one, two]).splitlines()]

    assert "Tasks 4 0 4 8 1 5" in rows
    assert "Jobs 4 0 6 10 1 5" in rows


def test_what_is_no_run_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(NotARun):
        read_statistics(tmp_path)


@pytest.mark.parametrize(
    ("took_s", "words"),
    [
        (0, "0 secs"),
        (0.25, "0.25 secs"),
        (0.0014, "0.001 secs"),
        (0.9999, "1 sec"),
        (1.234, "1.23 secs"),
        (1, "1 sec"),
        (20, "20 secs"),
        (59.996, "1 min, 0 secs"),
        (126, "2 mins, 6 secs"),
        (3600, "1 hr, 0 mins"),
        (90061, "1 day, 1 hr"),
    ],
)
def test_times_are_said_with_two_units(took_s: float, words: str) -> None:
    assert in_words(took_s) == words
