"""Try changes of the code, and print those that no fast test notices."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path

from mutants.changes import Change
from mutants.enclosure import Enclosure, why_none
from mutants.judgements import read_judgements, to_judge
from mutants.line_map import LineMap, kept_line_map
from mutants.sample import sample
from mutants.tree_copy import TreeCopy, remove
from mutants.trial import Result, try_change


def main() -> int:
    """Print a line for each change, and at the end what is to be judged. Exit code 1: a change was missed."""
    wanted = _arguments()
    if why := why_none():
        print(
            f"error: changed code could end your processes, and cannot be enclosed here: {why}",
            file=sys.stderr,
        )
        return 2
    for number in (signal.SIGINT, signal.SIGTERM):  # also in the background, where the first may be ignored
        signal.signal(number, signal.default_int_handler)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON"))}
    folder = Path(tempfile.mkdtemp(prefix="mutants-")).resolve()
    folder.chmod(0o755)  # some tests become another user
    try:
        line_map = kept_line_map(folder, environ, anew=wanted.trace)
        copy, tried = TreeCopy(folder), Tried()
        drawn = sample(wanted.seed, copy.root, wanted.folder)
        changes = islice(drawn, wanted.skip, wanted.skip + wanted.number)
        print(f"seed {wanted.seed}, changes {wanted.skip + 1} to {wanted.skip + wanted.number}; ", end="")
        print(
            f"{line_map.share_of_new_lines():.0%} of the lines are new since the tests were traced; ", end=""
        )
        print(f"{len(line_map.failing)} tests fail while they are traced, and are left out", flush=True)
        with Enclosure(folder, copy, environ) as enclosure, suppress(KeyboardInterrupt):
            tried.go(enumerate(changes, start=wanted.skip + 1), copy, enclosure, line_map)
    finally:
        remove(folder)
    tried.print_end()
    return 1 if tried.missed else 0


class Tried:
    """What became of the changes so far."""

    def __init__(self) -> None:
        self.results = Counter[str]()
        self.missed: list[Change] = []
        self._judged = {judgement.key: judgement.verdict for judgement in read_judgements()}

    def go(
        self, changes: Iterable[tuple[int, Change]], copy: TreeCopy, enclosure: Enclosure, line_map: LineMap
    ) -> None:
        """Try each that was not judged before."""
        for number, change in changes:
            if verdict := self._judged.get(change.key):
                self.results[verdict] += 1
                continue
            start_s = time.monotonic()
            result, detail = try_change(change, copy, enclosure, line_map)
            self.results[result.value] += 1
            if result is Result.MISSED:
                self.missed.append(change)
            took = f"{time.monotonic() - start_s:.0f} s"
            what = f"{change.file}:{change.line}  {change.before[:90]!r} -> {change.after[:90]!r}"
            print(f"{number:4} {result.value:12} {took:>6}  {what}  {detail[:120]}", flush=True)

    def print_end(self) -> None:
        """Print the numbers, and the entries of `judgements.yml` for what no test noticed."""
        print("\n" + ", ".join(f"{count} {result}" for result, count in sorted(self.results.items())))
        print("".join(map(to_judge, self.missed)), end="")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="which changes; the same seed gives the same (1)")
    parser.add_argument("--number", type=int, default=50, help="how many (50)")
    parser.add_argument("--skip", type=int, default=0, help="go on behind so many of this seed (0)")
    parser.add_argument("--folder", default="markab", help="below src, such as markab/engine (markab)")
    parser.add_argument(
        "--trace", action="store_true", help="find anew which test executes which line (10 to 30 minutes)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
