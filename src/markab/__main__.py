"""`python -m markab` is `markab`; modules of the user's in the current directory do not replace ours."""

import os
import sys

try:
    here = os.getcwd()
except FileNotFoundError:  # it was removed
    here = ""
if sys.path[:1] in ([""], [here]):
    # Python puts it there; a `copy.py` beside a workflow would be imported for the library's.
    del sys.path[0]

from markab.cli.entry_point import main

if __name__ == "__main__":
    main()
