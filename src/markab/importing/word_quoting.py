"""Words in quotes, as a job's arguments and a shell read them."""

from __future__ import annotations

import shlex


def quoted_word(word: str) -> str:
    """Return a word as one word of a job's arguments and of a POSIX shell.

    `${` never stands in it: planning replaces `${NAME}` in arguments, between quotes too.
    """
    return shlex.quote(word).replace("${", "$''{")
