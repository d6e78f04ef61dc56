"""How often `markab explain` names the right cause, and what it says of failures that no rule covers; and how long it takes.

    python benchmarks/insight/explain.py [--jobs 100000] [--failures 5000]

The corpus is `tests/kit/failure_cases.py`: failures as they are recorded, with the texts that programs print. Each is a job of
one run, which `explain` reads. A case without a rule is right if nothing certain or likely is said of it; wrong and certain
must never happen. The same corpus is asked by exit code alone, to compare.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from kit.failure_cases import COVERED, UNCOVERED, Case, make_corpus
from kit.made_run import T0, began, compute, end, ended, gave_up, make_run, process, start
from markab.diagnosis.failure_rules import CERTAIN, LIKELY, RULES
from markab.insight.explanation import explain
from markab.insight.verdict import FailureVerdict
from markab.journal.records import AttemptEnd

BY_EXIT_CODE = {126: "F33", 127: "F32", 134: "F55", 137: "F52", 139: "F54", 143: "F56"}
"""What tables of exit codes say: the baseline."""


def verdicts_of(cases: list[Case], directory: Path) -> list[FailureVerdict]:
    """Return the verdict of each case."""
    found = explain(make_corpus(directory, cases))
    by_job = {job: verdict for verdict in found.verdicts for job in verdict.jobs}
    return [by_job[f"wc_case{number}"] for number in range(len(cases))]


def by_exit_code(case: Case) -> str:
    """Return the rule that the exit code alone names."""
    ran = case.record.get("invocations") or [{}]
    status = ran[0].get("status", 0)
    return BY_EXIT_CODE.get(status >> 8 or 128 + (status & 0x7F), "")


def measure_corpus(directory: Path) -> None:
    covered, uncovered = (
        verdicts_of(COVERED, directory / "covered"),
        verdicts_of(UNCOVERED, directory / "not"),
    )
    right = [one.rule == case.rule for one, case in zip(covered, COVERED, strict=True)]
    wrong_certain = [
        (case.rule, one.rule, one.cause)
        for one, case in zip(covered + uncovered, COVERED + UNCOVERED, strict=True)
        if one.certainty == CERTAIN and one.rule != case.rule
    ]
    overheard = [(one.rule, one.cause) for one in uncovered if one.certainty in (CERTAIN, LIKELY)]
    certainty = Counter((one.certainty, ok) for one, ok in zip(covered, right, strict=True))
    baseline = sum(by_exit_code(case) == case.rule for case in COVERED)
    print(
        f"covered   {len(COVERED):>4} cases of {len({case.rule for case in COVERED})} rules of {len(RULES)}"
    )
    print(
        f"          {sum(right):>4} right: top-1 {100 * sum(right) / len(right):.1f} %; by exit code alone {100 * baseline / len(right):.1f} %"
    )
    for word in ("certain", "likely", "possible", "unknown"):
        print(f"          {word:<9} right {certainty[word, True]:>4}, wrong {certainty[word, False]:>3}")
    print(f"uncovered {len(UNCOVERED):>4} cases: {len(overheard)} named as likely or certain")
    print(f"wrong and certain, of all: {len(wrong_certain)}")
    for case, one in zip(COVERED, covered, strict=True):
        if one.rule != case.rule:
            print(f"  missed {case.rule}: {one.rule} {one.certainty}: {one.cause}")
    for rule, cause in overheard:
        print(f"  said of an uncovered one: {rule}: {cause}")


def measure_speed(directory: Path, jobs: int, failures: int) -> None:
    """Print what a run with so many equal failures costs, each with its own file names in its output."""
    planned = [compute(str(number), transformation="fit") for number in range(jobs)]
    entries: list[object] = [began()]
    step = jobs // failures
    for number in range(jobs):
        entries.append(start(number))
        if number % step or number // step >= failures:
            entries.append(end(number, invocations=[process("t")]))
            continue
        stderr = "".join(f"reading part {n} of fit_{number}\n" for n in range(30))
        stderr += f"Traceback (most recent call last):\n  File \"fit.py\", line 3\nModuleNotFoundError: No module named 'scipy.{number}'\n"
        error = {"kind": "exit", "message": f"task '{number}' ended with exit code 1"}
        record = {"ok": False, "start": T0, "end": T0 + 1, "host": "here", "error": error, "stderr": stderr}
        entries += [
            AttemptEnd(T0 + 2, number, 1, record | {"invocations": [process("t", 256)]}),
            gave_up(number),
        ]
    make_run(directory, planned, [*entries, ended("failed")])  # type: ignore[arg-type]
    begin_s, begin_cpu_s = time.perf_counter(), time.process_time()
    found = explain(directory)
    took_s, cpu_s = time.perf_counter() - begin_s, time.process_time() - begin_cpu_s
    groups = [(verdict.rule, len(verdict.jobs)) for verdict in found.verdicts]
    print(
        f"{jobs:,} jobs, {failures:,} equal failures: {took_s:.2f} s, {cpu_s:.2f} s of a processor (load {os.getloadavg()[0]:.1f}); {groups}"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--failures", type=int, default=5_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="markab-bench-") as name:
        measure_corpus(Path(name))
        measure_speed(Path(name) / "large", given.jobs, given.failures)


if __name__ == "__main__":
    main()
