"""The model behind the analysis: a smooth trend plus a cycle that repeats every year.

    co2(t) = c0 + c1 u + c2 u²                         trend, u = t - middle of the series, in years
           + Σ a_k cos(2π k t) + b_k sin(2π k t)       cycle, k = 1 … 4

It is linear in its 11 coefficients, so least squares has one exact answer.
"""

import csv
from math import cos, pi, sin
from operator import mul

HARMONICS = 4
TREND_TERMS = 3
DAYS = [(day + 0.5) / 365 for day in range(365)]
"""The middle of every day, as a fraction of the year."""


def read_series(path):
    """Return times in years and concentrations in ppm."""
    with open(path, newline="") as file:
        rows = [(float(row["year"]), float(row["co2_ppm"])) for row in csv.DictReader(file)]
    return [year for year, _ in rows], [ppm for _, ppm in rows]


def waves(year):
    """The cosines and sines of the cycle at one moment."""
    angles = [2 * pi * k * year for k in range(1, HARMONICS + 1)]
    return [wave(angle) for angle in angles for wave in (cos, sin)]


DAILY_WAVES = [waves(day) for day in DAYS]


def dot(a, b):
    return sum(map(mul, a, b))


def trend(coefficients, u):
    """Concentration without its seasons, `u` years from the middle of the series."""
    return coefficients[0] + coefficients[1] * u + coefficients[2] * u * u


def cycle(coefficients):
    """What the season adds to the trend on each of 365 days, in ppm."""
    seasonal = coefficients[TREND_TERMS:]
    return [dot(seasonal, day) for day in DAILY_WAVES]


def inverse(matrix):
    """Gauss-Jordan elimination with partial pivoting."""
    n = len(matrix)
    rows = [list(row) + [float(i == j) for j in range(n)] for i, row in enumerate(matrix)]
    for column in range(n):
        pivot = max(range(column, n), key=lambda i: abs(rows[i][column]))
        if abs(rows[pivot][column]) < 1e-12:
            raise ValueError("too few measurements to tell the trend from the seasons")
        rows[column], rows[pivot] = rows[pivot], rows[column]
        scale = rows[column][column]
        rows[column] = [value / scale for value in rows[column]]
        for i in range(n):
            if i != column and rows[i][column]:
                factor = rows[i][column]
                rows[i] = [a - factor * b for a, b in zip(rows[i], rows[column])]
    return [row[n:] for row in rows]


class SeasonalModel:
    """The model at given times: set up once, it fits any number of series measured then."""

    def __init__(self, years):
        self.middle = (min(years) + max(years)) / 2
        self.design = [[1.0, t - self.middle, (t - self.middle) ** 2, *waves(t)] for t in years]
        columns = list(zip(*self.design))
        gram_inverse = inverse([[dot(a, b) for b in columns] for a in columns])
        self.projector = [[dot(row, moment) for moment in self.design] for row in gram_inverse]

    def fit(self, ppm):
        """Return the coefficients that miss `ppm` by the least sum of squares."""
        return [dot(row, ppm) for row in self.projector]

    def predict(self, coefficients):
        return [dot(coefficients, row) for row in self.design]
