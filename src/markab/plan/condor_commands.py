"""Commands of an HTCondor submit file that Markab gives itself, so that no profile can: each with the reason, and a remedy."""

from __future__ import annotations

from collections.abc import Mapping

_STARTS = (
    "what runs is Markab's worker, which starts the task",
    "use the arguments and the transformation of the job",
)
_ENVIRONMENT = ("Markab sets the environment of tasks", "use env profiles")
_PLACE = ("each attempt has a directory of its own", "remove it")
_STDIN = ("what runs is Markab's worker, which gives the task its input", "give the job a file for stdin")
_PRINTED = (
    "what tasks print is in the records of the run (`markab show JOB`)",
    "give the job a file for stdout or stderr",
)
_LOG = ("Markab reads what becomes of jobs in a log of its own", "remove it")
_MOVES = (
    "the data configuration says how files travel",
    "choose it with -D pegasus.data.configuration=condorio, nonsharedfs or sharedfs",
)
_RETURNS = ("what comes back is what the job declares", "declare the files as outputs of the job")
_PACE = (
    "Markab submits jobs when they are ready",
    "the properties dagman.maxjobs and dagman.maxidle limit them",
)
_HELD = ("a job that is submitted held waits until a person releases it", "remove it")
_QUEUE = ("Markab says how many jobs a submission has", "remove it")
_OWN = ("Markab finds its jobs in the queue by it", "choose another name")

RESERVED: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("arguments", "args", "executable", "transfer_executable"), _STARTS),
    **dict.fromkeys(("environment", "env"), _ENVIRONMENT),
    **dict.fromkeys(("initialdir", "initial_dir", "iwd", "job_iwd"), _PLACE),
    **dict.fromkeys(("input", "stdin"), _STDIN),
    **dict.fromkeys(("output", "stdout", "error", "stderr"), _PRINTED),
    **dict.fromkeys(("log", "userlog", "log_xml", "submit_event_notes", "dagman_log"), _LOG),
    **dict.fromkeys(("should_transfer_files", "when_to_transfer_output"), _MOVES),
    **dict.fromkeys(
        ("transfer_output_files", "transfer_output_remaps", "preserve_relative_paths", "output_destination"),
        _RETURNS,
    ),
    **dict.fromkeys(("max_materialize", "max_idle", "materialize_max_idle"), _PACE),
    "hold": _HELD,
    "queue": _QUEUE,
}
"""Command in lower case → why it is Markab's, and what to do instead."""

OWN_ATTRIBUTES = "markab"
"""Begins the attributes of jobs by which Markab finds them again."""

_AS_MARKAB_HAS_THEM = frozenset(
    {
        ("should_transfer_files", "yes"),
        ("should_transfer_files", "if_needed"),
        ("when_to_transfer_output", "on_exit"),
    }
)

SUBMIT_HOST_UNIVERSES = frozenset({"local", "scheduler"})
"""Their jobs run beside the schedd, which moves no files for them."""
IMAGE_COMMANDS: Mapping[str, str] = {"container": "container_image", "docker": "docker_image"}
"""Universe whose jobs run in a container that HTCondor starts → the command that names the image."""
CLAIMING_UNIVERSES = frozenset({"vanilla", *IMAGE_COMMANDS})
"""Their jobs run on machines that the schedd claims."""
UNIVERSES = CLAIMING_UNIVERSES | SUBMIT_HOST_UNIVERSES | {"grid"}
"""Those in which a job can start the worker."""


def is_reserved(key: str) -> bool:
    """Return whether a command, or an attribute with `+` or `My.` before it, is not the user's to give."""
    return why_reserved(key) is not None


def why_reserved(key: str) -> tuple[str, str] | None:
    """Return why a command is not the user's to give, and what to do instead; None: it is."""
    key = key.strip().lower()
    for before in ("+", "my."):
        if key.startswith(before):
            return _OWN if key.removeprefix(before).startswith(OWN_ATTRIBUTES) else None
    if key.split(maxsplit=1)[:1] == ["queue"]:
        return _QUEUE
    return RESERVED.get(key)


def says_the_same(key: str, value: str) -> bool:
    """Return whether a reserved command has the value that Markab gives it, or lets Markab choose."""
    return (key.strip().lower(), value.strip().lower()) in _AS_MARKAB_HAS_THEM


def universe_of(commands: Mapping[str, str]) -> str:
    """Return the universe that commands ask for, in lower case; HTCondor's own choice if they name none.

    A command that only one universe has chooses it, as for `condor_submit`.
    """
    given = {key.strip().lower(): value.strip() for key, value in commands.items()}
    if universe := given.get("universe", "").lower():
        return universe
    return next((each for each, command in IMAGE_COMMANDS.items() if command in given), "vanilla")


def lacks_image(commands: Mapping[str, str]) -> bool:
    """Return whether commands ask for a container that HTCondor starts, and do not name its image."""
    wanted = IMAGE_COMMANDS.get(universe_of(commands))
    return wanted is not None and not any(key.strip().lower() == wanted for key in commands)
