#!/usr/bin/env python3
"""Print the results as a table for people.

usage: tabulate.py DECADES.csv
"""

import csv
import sys

HEADER = ["decade", "weeks", "mean, ppm", "growth, ppm a year", "seasonal swing, ppm", "highest", "lowest"]


def main(decades: str) -> None:
    lines = [HEADER]
    with open(decades, newline="") as source:
        for row in csv.DictReader(source):
            number = {name: float(row[name]) for name in row if name.endswith(("ppm", "year", "error"))}
            lines.append(
                [
                    row["decade"],
                    row["weeks"],
                    f"{number['mean_ppm']:.1f}",
                    f"{number['growth_ppm_per_year']:.2f} ± {number['growth_error']:.2f}",
                    f"{number['swing_ppm']:.2f} ± {number['swing_error']:.2f}",
                    row["highest"],
                    row["lowest"],
                ]
            )
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADER))]
    lines.insert(1, ["-" * width for width in widths])
    for line in lines:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |")


if __name__ == "__main__":
    main(*sys.argv[1:])
