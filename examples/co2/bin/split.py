#!/usr/bin/env python3
"""Cut a series into decades: 1960s.csv, 1970s.csv, …

usage: split.py CLEAN.csv DECADE…      for example: split.py clean.csv 1960s 1970s
"""

import csv
import sys


def main(clean: str, *decades: str) -> None:
    with open(clean, newline="") as source:
        rows = [(row["year"], row["co2_ppm"]) for row in csv.DictReader(source)]
    for decade in decades:
        first = int(decade.rstrip("s"))
        part = [row for row in rows if first <= float(row[0]) < first + 10]
        if not part:
            sys.exit(f"{clean} has no measurement in the {decade}")
        with open(f"{decade}.csv", "w", newline="") as target:
            writer = csv.writer(target, lineterminator="\n")
            writer.writerow(["year", "co2_ppm"])
            writer.writerows(part)
        print(f"{decade}: {len(part)} weeks")


if __name__ == "__main__":
    main(*sys.argv[1:])
