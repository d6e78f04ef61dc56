#!/usr/bin/env python3
"""Write the name of a city and the mean of its temperatures: mean.py CITY IN OUT."""

import sys

city, source, target = sys.argv[1:]
with open(source) as file:
    values = [float(line) for line in file]
with open(target, "w") as out:
    out.write(f"{city} {sum(values) / len(values):.2f}\n")
