"""What the end of a container's command means: 125, 126 and 127 are those of the program that starts it. Pure."""

import re
from typing import Optional

from markab.transfers.error_kinds import ErrorKind
from markab.worker.failure import AttemptFailed

_ENGINE = re.compile(r"^(?:Error: |docker: |Error response from daemon: )(.*)$", re.MULTILINE)
_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_ABSENT = re.compile(r"image not known|no such image|unable to find image|image .*not found", re.IGNORECASE)
_TEXT = 300

ENGINE_CODES = (125, 126, 127)


def container_error(task: str, container: str, code: int, printed: str) -> Optional[AttemptFailed]:
    """Return the error of a task whose container did not start, or ended for another reason than its program; None: it is the program's.

    Args:
        code: exit code of the command.
        printed: the end of what it printed to stderr.
    """
    where = "in container '%s'" % container
    lines = _ENGINE.findall(printed)
    why = lines[-1][-_TEXT:] if lines else ""
    if code not in ENGINE_CODES or not why:
        if code and _FULL.search(printed):
            message = "task '%s' had no room %s: no space left on device" % (task, where)
            hint = "write large files to the directory of the job, where the task starts, and not into the container"
            return AttemptFailed(ErrorKind.STORAGE, message, hint)
        return None
    if code == 127:
        message = "the program of task '%s' is not %s: %s" % (task, where, why)
        return AttemptFailed(
            ErrorKind.NO_PROGRAM, message, "correct its pfn: the path of the program in the image"
        )
    if code == 126:
        message = "the program of task '%s' cannot be executed %s: %s" % (task, where, why)
        return AttemptFailed(
            ErrorKind.NOT_EXECUTABLE, message, "make it executable in the image; it runs as your user"
        )
    if _FULL.search(why):
        message = "there is no room to start container '%s' of task '%s': %s" % (container, task, why)
        return AttemptFailed(ErrorKind.STORAGE, message, "make room where images and containers are kept")
    hint = "run the job again: its image is loaded anew" if _ABSENT.search(why) else ""
    return AttemptFailed(
        ErrorKind.CONTAINER, "container '%s' of task '%s' was not started: %s" % (container, task, why), hint
    )
