#!/usr/bin/env python3
"""One step towards the square root of 2: newton.py IN OUT."""

import sys

with open(sys.argv[1]) as file:
    x = float(file.read())
with open(sys.argv[2], "w") as file:
    file.write("%r\n" % ((x + 2 / x) / 2))
