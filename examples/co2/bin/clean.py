#!/usr/bin/env python3
"""Drop the weeks without a measurement, and give time in years.

usage: clean.py WEEKLY.csv CLEAN.csv
"""

import csv
import sys
from datetime import date


def decimal_year(day: date) -> float:
    """1970-07-02 is the middle of its year: 1970.5."""
    start, end = date(day.year, 1, 1), date(day.year + 1, 1, 1)
    return day.year + ((day - start).days + 0.5) / (end - start).days


def main(weekly: str, clean: str) -> None:
    kept = missing = 0
    with open(weekly, newline="") as source, open(clean, "w", newline="") as target:
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(["year", "co2_ppm"])
        for row in csv.DictReader(source):
            if not row["co2_ppm"]:
                missing += 1
                continue
            co2_ppm = float(row["co2_ppm"])
            if not 250 < co2_ppm < 500:
                sys.exit(f"{weekly}: {row['date']} has {co2_ppm} ppm of CO2, which cannot be air")
            writer.writerow([f"{decimal_year(date.fromisoformat(row['date'])):.4f}", row["co2_ppm"]])
            kept += 1
    print(f"{kept} weeks kept, {missing} without a measurement")


if __name__ == "__main__":
    main(*sys.argv[1:])
