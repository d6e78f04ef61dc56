#!/usr/bin/env python3
"""Fit trend and seasonal cycle to one decade.

usage: fit.py DECADE.csv FIT.json
"""

import json
import sys

from season import SeasonalModel, cycle, read_series


def main(series: str, result: str) -> None:
    years, ppm = read_series(series)
    model = SeasonalModel(years)
    coefficients = model.fit(ppm)
    misses = [seen - said for seen, said in zip(ppm, model.predict(coefficients))]
    season = cycle(coefficients)
    fit = {
        "weeks": len(years),
        "first_year": min(years),
        "last_year": max(years),
        "middle_year": model.middle,
        "coefficients": coefficients,
        "mean_ppm": sum(ppm) / len(ppm),
        "growth_ppm_per_year": coefficients[1],
        "swing_ppm": max(season) - min(season),
        "peak_day": season.index(max(season)) + 1,
        "trough_day": season.index(min(season)) + 1,
        "residual_ppm": (sum(miss * miss for miss in misses) / len(misses)) ** 0.5,
    }
    with open(result, "w") as file:
        json.dump(fit, file, indent=2)
    print(f"{series}: {fit['growth_ppm_per_year']:.2f} ppm a year, swing {fit['swing_ppm']:.2f} ppm")


if __name__ == "__main__":
    main(*sys.argv[1:])
