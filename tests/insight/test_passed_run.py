from __future__ import annotations

import time
from pathlib import Path

from kit.made_run import began, compute, end, ended, engine_alive, make_run, process, start
from markab.insight.explanation import explain


def test_memory_above_the_request_is_a_remark_on_a_run_that_passed(tmp_path: Path) -> None:
    ran = process("a", maxrss_kb=300 << 10)
    entries = [began(), start(0), end(0, invocations=[ran]), ended("success")]
    make_run(tmp_path, [compute("a", memory_mb=250)], entries)

    (one,) = explain(tmp_path, everything=True).remarks

    assert (one.rule, one.certainty, one.jobs) == ("F53", "certain", ["wc_a"])
    assert one.cause.startswith("wc_a used 300 MB, and asked for 250 MB") and one.evidence[0].line == 3


def test_a_request_far_above_every_peak_is_a_remark(tmp_path: Path) -> None:
    jobs = [compute(str(n), memory_mb=8000) for n in range(6)]
    ends = [e for n in range(6) for e in (start(n), end(n, invocations=[process("t", maxrss_kb=100 << 10)]))]
    make_run(tmp_path, jobs, [began(), *ends, ended("success")])

    (one,) = explain(tmp_path, everything=True).remarks

    assert one.what == "6 jobs of wc asked for far more memory than any used"


def test_a_clean_run_has_no_remarks(tmp_path: Path) -> None:
    ran = process("a", maxrss_kb=200 << 10)
    make_run(
        tmp_path,
        [compute("a", memory_mb=250)],
        [began(), start(0), end(0, invocations=[ran]), ended("success")],
    )

    assert not explain(tmp_path, everything=True).remarks


def test_a_job_that_takes_much_longer_than_others_like_it_may_hang(tmp_path: Path) -> None:
    jobs = [compute(str(n)) for n in range(7)]
    ends = [e for n in range(6) for e in (start(n), end(n, invocations=[process("t", duration_s=2.0)]))]
    began_s = time.time() - 600
    make_run(tmp_path, jobs, [began(), *ends, start(6, time=began_s)])

    with engine_alive(tmp_path):
        (one,) = explain(tmp_path, everything=True).remarks

    assert (one.rule, one.certainty, one.jobs) == ("F57", "possible", ["wc_6"])


def test_a_run_whose_files_are_not_verified_says_so(tmp_path: Path) -> None:
    make_run(tmp_path, [compute("a")], [began(), start(0), end(0), ended("success")], integrity="none")

    (one,) = explain(tmp_path, everything=True).remarks

    assert one.rule == "F26"
