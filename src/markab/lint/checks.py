"""The table of contents of the linter: every code with its severity and what it means, and every check."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from markab.lint.argument_checks import split_names, undeclared_files, wrong_directions
from markab.lint.container_images import small_images
from markab.lint.file_checks import jobs_without_outputs, spellings, unread_outputs
from markab.lint.finding import Found, Severity
from markab.lint.placeholders import placeholders
from markab.lint.requests import too_large_requests
from markab.lint.secrets import secrets
from markab.lint.subject import Subject
from markab.lint.unused_entries import unused_replicas, unused_transformations
from markab.lint.wrapper_checks import interpreters, unnamed_files, wrapper_arguments

Check = Callable[[Subject], Iterable[Found]]

CHECKS: tuple[Check, ...] = (
    unread_outputs,
    jobs_without_outputs,
    spellings,
    undeclared_files,
    wrong_directions,
    split_names,
    unnamed_files,
    wrapper_arguments,
    interpreters,
    too_large_requests,
    placeholders,
    secrets,
    small_images,
    unused_transformations,
    unused_replicas,
)

CODES: dict[str, tuple[Severity, str]] = {
    "wrapper-arguments": ("error", "the program's argparse refuses what the job gives it"),
    "interpreter": ("error", "a script whose first line starts nothing on this machine"),
    "undeclared-file": ("warning", "an argument names a file that the job does not declare"),
    "unnamed-file": ("warning", "a declared file that neither an argument nor the text of the program names"),
    "file-direction": (
        "warning",
        "an input that the program writes, or that is given to an option for outputs; or the reverse",
    ),
    "split-file-name": ("warning", "a file name with blanks that becomes several arguments"),
    "unread-output": ("warning", "an output that no job reads and that is not kept"),
    "no-outputs": ("warning", "a job that makes nothing, and for which no job waits"),
    "lfn-spelling": ("warning", "two file names that differ by case or by `./` only"),
    "request-too-large": ("warning", "a request above what every site says it has"),
    "placeholder": ("warning", "a value that still waits to be put in, such as `<your-project>`"),
    "unexpanded-variable": ("warning", "a variable in a path or a name that nothing replaces"),
    "secret": ("warning", "what looks like a password, a token or a key"),
    "small-image": ("warning", "the image of a container, too small to be one"),
    "unused-transformation": ("note", "an entry of the transformation catalog that no job runs"),
    "unused-replica": ("note", "an entry of the replica catalog that no job uses"),
}
"""Code → severity and meaning, of the checks here; what planning finds has codes of its own."""
