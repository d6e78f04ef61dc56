#!/usr/bin/env python3
"""Gather the results of all decades in one CSV, one row per decade.

Reads fit-DECADE.json and errors-DECADE.json of every decade named.

usage: merge.py DECADES.csv DECADE…
"""

import csv
import json
import sys
from datetime import date, timedelta

COLUMNS = ["decade", "weeks", "mean_ppm", "growth_ppm_per_year", "growth_error", "swing_ppm", "swing_error"]
COLUMNS += ["highest", "lowest"]


def month_and_day(day_of_year: int) -> str:
    return (date(2001, 1, 1) + timedelta(days=day_of_year - 1)).strftime("%d %b")


def main(result: str, *decades: str) -> None:
    with open(result, "w", newline="") as target:
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(COLUMNS)
        for decade in decades:
            with open(f"fit-{decade}.json") as file:
                fit = json.load(file)
            with open(f"errors-{decade}.json") as file:
                error = json.load(file)
            numbers = [
                fit["mean_ppm"],
                fit["growth_ppm_per_year"],
                error["growth_ppm_per_year"],
                fit["swing_ppm"],
                error["swing_ppm"],
            ]
            days = [month_and_day(fit["peak_day"]), month_and_day(fit["trough_day"])]
            writer.writerow([decade, fit["weeks"], *(f"{number:.3f}" for number in numbers), *days])


if __name__ == "__main__":
    main(*sys.argv[1:])
