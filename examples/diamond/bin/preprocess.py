#!/usr/bin/env python3
"""Deal the readings of one file out to several, in turn."""

import argparse

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("-i", dest="source", required=True)
parser.add_argument("-o", dest="targets", action="append", required=True)
args = parser.parse_args()

with open(args.source) as file:
    readings = [line for line in file if line.strip()]
for i, target in enumerate(args.targets):
    with open(target, "w") as file:
        file.writelines(readings[i :: len(args.targets)])
