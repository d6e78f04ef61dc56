"""Removing the containers of attempts whose command was killed, or did not start: nothing of an attempt is left behind."""

import threading
from typing import Dict, List, Sequence

from markab.errors import MarkabError, quoted
from markab.transfers.container_tool import DOCKER, PODMAN, find_tool
from markab.transfers.error_kinds import ErrorKind
from markab.worker.attempt_spec import Spec
from markab.worker.container_command import container_names, is_removable
from markab.worker.failure import AttemptFailed

_LONGEST_S = 60.0
_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Between tries: a container whose program was killed while it made it cannot be removed for a moment."""


def remove_containers(names: Sequence[str], program: str) -> List[AttemptFailed]:
    """Kill and remove the containers with these names, as far as they exist; return what went wrong.

    Args:
        program: the one that made them; "": the one that is found here.
    """
    if not names:
        return []
    stop = threading.Event()
    timer = threading.Timer(_LONGEST_S, stop.set)
    timer.start()
    try:
        tool = find_tool(DOCKER, program)
        options = ["--ignore", "--time", "0"] if tool.name == PODMAN else []
        for pause_s in (*_PAUSES_S, None):
            try:
                tool.run(["rm", "--force", *options, *names], stop)
                return []
            except MarkabError as error:
                if "no such container" in getattr(error, "text", "").lower():
                    return []
                if pause_s is None or stop.wait(pause_s):
                    raise
    except (MarkabError, OSError) as error:
        message = "the container of the attempt may still be there: %s" % error
        hint = "%s rm --force %s" % (program or "docker", " ".join(map(quoted, names)))
        return [AttemptFailed(ErrorKind.CONTAINER, message, hint)]
    finally:
        timer.cancel()
    return []


def out_of_memory_in(names: Sequence[str], program: str) -> bool:
    """Return whether one of these containers had its memory run out, as the program says that started them."""
    if not names:
        return False
    stop = threading.Event()
    timer = threading.Timer(_LONGEST_S, stop.set)
    timer.start()
    try:
        said = find_tool(DOCKER, program).run(
            ["inspect", "--type", "container", "--format", "{{.State.OOMKilled}}", *names], stop
        )
    except (MarkabError, OSError):
        return False  # it is gone, or the program does not answer
    finally:
        timer.cancel()
    return "true" in said.lower().split()


def remove_all(specs: Sequence[Spec]) -> None:
    """Remove every container that these attempts may have made."""
    by_program: Dict[str, List[str]] = {}
    for spec in specs:
        tasks = [task for task in spec["job"].get("tasks") or () if is_removable(task)]
        if tasks:
            program = tasks[0]["container"].get("program") or ""
            by_program.setdefault(program, []).extend(container_names(spec))
    for program, names in by_program.items():
        remove_containers(names, program)
