#!/usr/bin/env python3
"""Join several ranges into one."""

import argparse

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("-i", dest="sources", action="append", required=True)
parser.add_argument("-o", dest="target", required=True)
args = parser.parse_args()

ranges = []
for source in args.sources:
    with open(source) as file:
        low, high = map(float, file.read().split())
    ranges.append((low, high))
lowest, highest = min(low for low, _ in ranges), max(high for _, high in ranges)
with open(args.target, "w") as file:
    print(f"{len(ranges)} ranges, together from {lowest} to {highest}", file=file)
