#!/usr/bin/env python3
"""How sure are we? Fit again and again what might as well have been measured.

What the model leaves unexplained is cut into blocks of half a year, because weather and
El Niño last longer than a week; blocks drawn at random are put on top of the model, and the
sum is fitted like a measurement. How much the results scatter is their standard error.

usage: bootstrap.py DECADE.csv ERRORS.json ROUNDS SEED
"""

import json
import random
import sys
from statistics import stdev

from season import SeasonalModel, cycle, read_series

BLOCK_WEEKS = 26


def shuffled(misses: list, chance: random.Random) -> list:
    """Return a series as long as `misses`, made of random blocks of it."""
    block = min(BLOCK_WEEKS, len(misses))
    series: list = []
    while len(series) < len(misses):
        start = chance.randrange(len(misses) - block + 1)
        series += misses[start : start + block]
    return series[: len(misses)]


def main(series: str, result: str, rounds: str, seed: str) -> None:
    chance = random.Random(int(seed))
    years, ppm = read_series(series)
    model = SeasonalModel(years)
    expected = model.predict(model.fit(ppm))
    misses = [seen - said for seen, said in zip(ppm, expected)]

    growths, swings = [], []
    for _ in range(int(rounds)):
        imagined = [said + miss for said, miss in zip(expected, shuffled(misses, chance))]
        coefficients = model.fit(imagined)
        season = cycle(coefficients)
        growths.append(coefficients[1])
        swings.append(max(season) - min(season))

    with open(result, "w") as file:
        json.dump({"growth_ppm_per_year": stdev(growths), "swing_ppm": stdev(swings)}, file, indent=2)
    print(f"{series}: fitted {rounds} times")


if __name__ == "__main__":
    main(*sys.argv[1:])
