"""Several tasks in one container, one after the other, until one fails: starting a container takes longer than many tasks.

A shell of the image starts them. Its script is always the same, and what a task is reaches it as words that it does not read:
variables and words are counted, so none is taken for another. For each task it makes two files in a directory of its own: when it
starts, and with the exit code when it has ended; their times are those of the task. An image without `/bin/sh`
runs each task in a container of its own.
"""

import os
import re
from typing import Any, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from markab.transfers.beneath import Beneath
from markab.transfers.text_size import size_in_bytes

MOST = 1000
"""Tasks in one container."""
MOST_BYTES = 500000
"""Of their words; the system allows some more."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z_0-9]*\Z")
_CODE_BYTES = 16

_OWN = "_markab_"
"""How the variables of the script begin; a task that has such a variable runs in a container of its own."""

SCRIPT = """
_markab_results=$1; shift
_markab_child=
trap '[ -z "$_markab_child" ] || kill -TERM "$_markab_child"' TERM
_markab_number=0
while [ $# -gt 0 ]; do
  : > "$_markab_results/$_markab_number.begin"
  (
    trap - TERM
    _markab_variables=$1; _markab_words=$2; _markab_at=0; _markab_list=
    while [ $_markab_at -lt $_markab_variables ]; do
      _markab_at=$((_markab_at + 1)); eval "export \\"\\${$((2 + _markab_at))}\\""
    done
    _markab_at=0
    while [ $_markab_at -lt $_markab_words ]; do
      _markab_at=$((_markab_at + 1))
      _markab_list="$_markab_list \\"\\${$((2 + _markab_variables + _markab_at))}\\""
    done
    eval "exec $_markab_list"
  ) <&0 &
  _markab_child=$!
  wait "$_markab_child"; _markab_status=$?
  while kill -0 "$_markab_child" 2>/dev/null; do wait "$_markab_child"; _markab_status=$?; done
  echo $_markab_status > "$_markab_results/$_markab_number.end"
  [ $_markab_status -eq 0 ] || exit $_markab_status
  shift $((2 + $1 + $2))
  _markab_number=$((_markab_number + 1))
done
"""


class TaskEnd(NamedTuple):
    """How one of the tasks ended."""

    start: float
    end: float
    code: Optional[int]
    """None: it had not ended when the container did."""


def series_command(results: str, tasks: Sequence[Tuple[Mapping[str, str], Sequence[str]]]) -> List[str]:
    """Return the words that run tasks, each given by its variables and its words.

    Args:
        results: path, in the container, of the directory for the files.
    """
    words = ["/bin/sh", "-c", SCRIPT, "markab", results]
    for environ, argv in tasks:
        words += [str(len(environ)), str(len(argv))]
        words += ["%s=%s" % (name, value) for name, value in sorted(environ.items())]
        words += argv
    return words


def fit_together(tasks: Sequence[Tuple[Mapping[str, str], Sequence[str]]]) -> bool:
    """Return whether tasks can be run by one shell: it takes their variables, and the system their words."""
    total = 0
    for environ, argv in tasks:
        if any(_VARIABLE.match(name) is None or name.startswith(_OWN) for name in environ):
            return False
        total += sum(size_in_bytes(name) + size_in_bytes(value) for name, value in environ.items())
        total += sum(size_in_bytes(word) for word in argv)
    return total < MOST_BYTES


def results_name(key: str, number: int) -> str:
    """Return the name of the directory for the files, in that of the attempt."""
    return ".markab-series-%s-%d" % (re.sub(r"[^A-Za-z0-9-]", "-", key)[:150], number)


def take_results(directory: Beneath, name: str, tasks: int) -> List[TaskEnd]:
    """Return how the tasks that were started ended, and remove the files. What is not as it was made counts as not there."""
    found: List[TaskEnd] = []
    for number in range(tasks):
        start = _time_of(directory, "%s/%d.begin" % (name, number))
        if start is None:
            break
        end_file = "%s/%d.end" % (name, number)
        code, end = _code_in(directory, end_file), _time_of(directory, end_file)
        found.append(TaskEnd(start, start if end is None else max(start, end), code))
    for number in range(len(found)):
        for what in ("begin", "end"):
            _quietly(directory.unlink, "%s/%d.%s" % (name, number, what))
    _quietly(directory.remove_directory, name)
    return found


def _quietly(call: Any, name: str) -> None:
    try:
        call(name)
    except OSError:
        pass  # it is not there, or has become something else: it goes with the directory


def _time_of(directory: Beneath, name: str) -> Optional[float]:
    try:
        return directory.status(name).st_mtime
    except OSError:
        return None


def _code_in(directory: Beneath, name: str) -> Optional[int]:
    try:
        fd = directory.open(name)
    except OSError:
        return None
    try:
        text = os.pread(fd, _CODE_BYTES, 0)
    finally:
        os.close(fd)
    return int(text) if re.match(rb"\d{1,3}\n\Z", text) and int(text) < 256 else None
