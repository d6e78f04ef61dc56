"""How many bytes a text has for the system: as a name, an argument or a variable."""

import os


def size_in_bytes(text: str) -> int:
    """Return the length of a text as it is given to the system."""
    return len(os.fsencode(text))
