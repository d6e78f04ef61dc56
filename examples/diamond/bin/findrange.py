#!/usr/bin/env python3
"""Find the lowest and the highest reading of a file."""

import argparse

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("-i", dest="source", required=True)
parser.add_argument("-o", dest="target", required=True)
args = parser.parse_args()

with open(args.source) as file:
    readings = [float(line) for line in file]
with open(args.target, "w") as file:
    print(min(readings), max(readings), file=file)
