"""How batch systems write times, amounts, index ranges and free text. Pure."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterable, Sequence

from markab.executors.remote.batch_system import BatchElement, BatchJob

LONGEST_TEXT = 500
"""Characters of a text from outside, such as a reason, that are kept."""

MOST_POSITIONS = 1_000_000
"""Of one range; a larger one is damage, as no system has such arrays."""

MOST_WORDS_BYTES = 30_000
"""Of the ids in one command; the least that a command line may have is 128 KiB, and a login shell may quote each character."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


HEARING_SCRIPT = """\
worker= asked=
trap 'asked=1; [ -z "$worker" ] || kill -TERM "$worker" 2>/dev/null' USR1 USR2 INT TERM
(
trap '' USR1 USR2
%s
) &
worker=$!
[ -z "$asked" ] || kill -TERM "$worker" 2>/dev/null
wait "$worker"
code=$?
while [ "$code" -gt 128 ] && kill -0 "$worker" 2>/dev/null; do
  wait "$worker"
  code=$?
done
"""
"""Lines of a script whose shell hears signals and sends the worker, its child, SIGTERM for each; the exit code is in $code.

For systems that warn by SIGUSR1 or SIGUSR2, often the whole process group: the worker ignores them. `wait` returns early when a signal
arrives, so it is repeated while the worker is there.
"""


def one_line(text: str, most: int = LONGEST_TEXT) -> str:
    """Return a text as one printable line, cut to `most` characters: control characters become a blank."""
    if text.isascii() and text.isprintable():
        return text.strip()[:most]
    return _CONTROL.sub(" ", text).strip()[:most]


def user_words(arguments: Sequence[str], prefix: str) -> list[str]:
    """Return the words of directives that the user wrote, with or without the system's prefix, such as `#SBATCH`.

    Words are split as a shell does, without expanding anything; a line with an unmatched quote is split at blanks.
    """
    words = []
    for text in arguments:
        for line in text.splitlines():
            directive = _CONTROL.sub(" ", line).strip().removeprefix(prefix).strip()
            try:
                words += shlex.split(directive)
            except ValueError:
                words += directive.split()
    return words


def clock(seconds: float) -> str:
    """Return a span as H:MM:SS, rounded up to seconds."""
    whole = math.ceil(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def minutes(seconds: float) -> int:
    """Return a span in minutes, rounded up, so that a limit is never below what was asked."""
    return math.ceil(seconds / 60)


def nodes_of(job: BatchJob) -> int:
    """Return on how many nodes the cores of a job are: one, if it was not said."""
    return max(1, job.nodes)


def cores_per_node(job: BatchJob) -> int:
    """Return how many cores a job needs on each of its nodes."""
    return max(job.processes_per_node, math.ceil(job.cores / nodes_of(job)), 1)


def share(amount: int, parts: int) -> int:
    """Return the part of an amount for each of `parts`, rounded up."""
    return math.ceil(amount / max(1, parts))


def positions(text: str) -> range | list[int]:
    """Return the positions in a list such as `0-3,7,9-20:2%5`, with or without brackets; none, if it cannot be read."""
    found: list[int] = []
    for part in text.strip("[]").partition("%")[0].split(","):
        match = _RANGE.fullmatch(part)
        if match is None:
            return []
        first, last, step = (int(word) if word else 0 for word in match.groups())
        values = range(first, max(first, last) + 1, step or 1)
        if len(values) + len(found) > MOST_POSITIONS:
            return []
        found.extend(values)
    return found


_RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?(?::(\d{1,9}))?")


def ranges(numbers: Iterable[int]) -> list[str]:
    """Return the shortest list of ranges, such as `0-3` and `7`, with exactly these numbers."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return [str(first) if first == last else f"{first}-{last}" for first, last in runs]


def by_job(elements: Iterable[BatchElement]) -> dict[str, list[int]]:
    """Return the positions of each job, in the order in which the jobs come."""
    jobs: dict[str, list[int]] = {}
    for native_id, position in elements:
        jobs.setdefault(native_id, []).append(position)
    return jobs


def in_commands(words: Iterable[str]) -> list[list[str]]:
    """Return words, split so that each part is short enough for one command."""
    parts: list[list[str]] = []
    room = 0
    for word in words:
        if not parts or len(word) + 1 > room:
            parts.append([])
            room = MOST_WORDS_BYTES
        parts[-1].append(word)
        room -= len(word) + 1
    return parts
