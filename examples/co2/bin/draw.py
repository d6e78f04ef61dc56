#!/usr/bin/env python3
"""Draw the whole story as one SVG figure, without any plotting library.

Reads CLEAN.csv, and fit-DECADE.json and errors-DECADE.json of every decade named.

usage: draw.py FIGURE.svg CLEAN.csv DECADE…
"""

import json
import sys

from season import DAYS, cycle, read_series, trend

COLOURS = ["#e8a33d", "#d95f59", "#a2397c", "#46317d"]
INK, SOFT, GRID = "#222222", "#666666", "#e4e4e4"
MONTHS = "JFMAMJJASOND"


class Panel:
    """A rectangle of the page with axes of its own, in data units."""

    def __init__(self, left, top, width, height, x_range, y_range):
        self.left, self.top, self.right, self.bottom = left, top, left + width, top + height
        self.x_range, self.y_range = x_range, y_range

    def x(self, value):
        low, high = self.x_range
        return self.left + (value - low) / (high - low) * (self.right - self.left)

    def y(self, value):
        low, high = self.y_range
        return self.bottom - (value - low) / (high - low) * (self.bottom - self.top)

    def title(self, name, unit):
        yield text(self.left, self.top - 26, name, size=15, weight="bold")
        yield text(self.left, self.top - 9, unit, colour=SOFT)

    def y_axis(self, ticks, form="{}"):
        for tick in ticks:
            yield line([(self.left, self.y(tick)), (self.right, self.y(tick))], GRID, 1)
            label = form.format(tick) if tick else "0"
            yield text(self.left - 8, self.y(tick) + 4, label.replace("-", "−"), anchor="end", colour=SOFT)

    def x_axis(self, labels):
        """`labels` are (where, what) pairs."""
        yield line([(self.left, self.bottom), (self.right, self.bottom)], INK, 1)
        for where, label in labels:
            yield text(self.x(where), self.bottom + 18, label, anchor="middle", colour=SOFT)

    def curve(self, xs, ys, colour, width=2.5):
        return line([(self.x(x), self.y(y)) for x, y in zip(xs, ys)], colour, width)


def line(points, colour, width):
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def text(x, y, words, size=12, anchor="start", colour=INK, weight="normal"):
    style = f'font-size="{size}" text-anchor="{anchor}" fill="{colour}" font-weight="{weight}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{words}</text>'


def dot(x, y, radius, colour):
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}"/>'


def record(years, ppm, fits):
    """The measurements, and the trend of each decade through them."""
    panel = Panel(70, 130, 860, 230, (1958, 2002), (310, 375))
    yield from panel.title("The record", "CO₂ at Mauna Loa, ppm: every week, and the trend of each decade")
    yield from panel.y_axis(range(310, 376, 10))
    yield from panel.x_axis([(year, year) for year in range(1960, 2001, 5)])
    for year, value in zip(years, ppm):
        yield dot(panel.x(year), panel.y(value), 1.1, "#b4bcc4")
    for (decade, fit), colour in zip(fits.items(), COLOURS):
        steps = [fit["first_year"] + (fit["last_year"] - fit["first_year"]) * i / 50 for i in range(51)]
        smooth = [trend(fit["coefficients"], year - fit["middle_year"]) for year in steps]
        yield panel.curve(steps, smooth, colour, 3.5)
        yield text(
            panel.x(fit["middle_year"]),
            panel.y(smooth[25]) - 38,
            decade,
            size=14,
            anchor="end",
            colour=colour,
            weight="bold",
        )


def seasons(fits):
    """One mean year per decade, on top of each other."""
    panel = Panel(70, 455, 440, 210, (0, 1), (-4, 4))
    yield from panel.title("The seasons", "difference from the trend, ppm")
    yield from panel.y_axis(range(-4, 5, 2), "{:+d}")
    yield line([(panel.left, panel.y(0)), (panel.right, panel.y(0))], "#aaaaaa", 1)
    yield from panel.x_axis([((i + 0.5) / 12, month) for i, month in enumerate(MONTHS)])
    for i, ((decade, fit), colour) in enumerate(zip(fits.items(), COLOURS)):
        yield panel.curve(DAYS, cycle(fit["coefficients"]), colour)
        y = panel.top + 16 + 19 * i
        yield line([(panel.right - 74, y - 4), (panel.right - 50, y - 4)], colour, 3)
        yield text(panel.right - 43, y, decade, colour=INK)


def with_errors(panel, results, ticks, form):
    """One dot per decade, its bar two standard errors up and down."""
    yield from panel.y_axis(ticks, form)
    yield from panel.x_axis([(i, decade[2:]) for i, (decade, _, _) in enumerate(results)])
    for i, (_, value, error) in enumerate(results):
        x = panel.x(i)
        yield line([(x, panel.y(value - 2 * error)), (x, panel.y(value + 2 * error))], COLOURS[i], 2)
        yield dot(x, panel.y(value), 5, COLOURS[i])


def figure(years, ppm, fits, errors):
    yield '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 970 730" font-family="Helvetica, Arial">'
    yield '<rect width="970" height="730" fill="white"/>'
    yield text(70, 44, "CO₂ rises faster, and its seasons swing wider", size=24, weight="bold")
    story = "Every summer the plants of the North draw CO₂ from the air; every winter they give it back."
    yield text(70, 68, story, size=14, colour=SOFT)
    yield from record(years, ppm, fits)
    yield from seasons(fits)

    growth, swing = "growth_ppm_per_year", "swing_ppm"
    decades = (-0.5, len(fits) - 0.5)
    panel = Panel(580, 455, 150, 210, decades, (0, 2))
    yield from panel.title("Growth", "ppm per year, ± 2 s.e.")
    results = [(decade, fits[decade][growth], errors[decade][growth]) for decade in fits]
    yield from with_errors(panel, results, [0, 0.5, 1, 1.5, 2], "{:.1f}")
    panel = Panel(780, 455, 150, 210, decades, (5, 8))
    yield from panel.title("Seasonal swing", "ppm, ± 2 s.e.")
    results = [(decade, fits[decade][swing], errors[decade][swing]) for decade in fits]
    yield from with_errors(panel, results, [5, 6, 7, 8], "{}")

    source = "Data: Keeling and Whorf (2004), Scripps Institution of Oceanography."
    yield text(70, 715, source, size=11, colour=SOFT)
    yield "</svg>"


def read_json(path):
    with open(path) as file:
        return json.load(file)


def main(picture, clean, *decades):
    years, ppm = read_series(clean)
    fits = {decade: read_json(f"fit-{decade}.json") for decade in decades}
    errors = {decade: read_json(f"errors-{decade}.json") for decade in decades}
    with open(picture, "w", encoding="utf-8") as file:
        for element in figure(years, ppm, fits, errors):
            print(element, file=file)


if __name__ == "__main__":
    main(*sys.argv[1:])
