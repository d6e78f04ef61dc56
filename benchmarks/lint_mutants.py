"""How many defects `markab lint` finds: mutants of the starter projects, one defect each, and the clean ones.

usage: lint_mutants.py [--number 200] [--seed 1] [--verbose]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from kit.workflow_mutants import KINDS, OF_THE_MEANING, build, mutants
from markab import operations
from markab.lint.linting import LintReport
from markab.planner.options import PlanOptions


def lint(directory: Path) -> LintReport:
    os.chdir(directory)
    return operations.lint(PlanOptions(workflow=Path("workflow.yml")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verbose", action="store_true", help="print what was found in each mutant")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place).resolve()
        projects = {name: build(name, root / name) for name in operations.TEMPLATES}
        clean = {name: lint(directory).findings for name, directory in projects.items()}
        began = time.perf_counter()
        found, missed = Counter[str](), Counter[str]()
        for template, kind, directory in mutants(projects, args.number, root / "mutants", args.seed):
            report = lint(directory)
            (found if report.is_failed() else missed)[kind] += 1
            if args.verbose:
                codes = ", ".join(dict.fromkeys(finding.code for finding in report.findings))
                print(f"{template:<16} {kind:<24} {codes or '-'}")
            os.chdir(root)
        took = time.perf_counter() - began
    print(f"clean projects with findings: {[name for name, findings in clean.items() if findings]}")
    meaning = {kind.__name__ for kind in OF_THE_MEANING}
    for kind in KINDS:
        name = kind.__name__
        print(
            f"{name:<24} {found[name]:>3} of {found[name] + missed[name]:<3}{' (meaning)' * (name in meaning)}"
        )
    of_form = {name: number for name, number in (found + missed).items() if name not in meaning}
    print(f"found: {sum(found.values())} of {args.number}, {1000 * took / args.number:.0f} ms each")
    print(
        f"found without those of the meaning: {sum(found[name] for name in of_form)} of {sum(of_form.values())}"
    )


if __name__ == "__main__":
    main()
