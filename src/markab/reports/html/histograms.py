"""Small histograms for table cells, as SVG without text; the numbers are in the table."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markab.formatting import html_text

BINS = 36
WIDTH, HEIGHT = 150, 30


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which `share` of sorted values lie (nearest rank)."""
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1 if share else 0)]


def log_bounds(values: Sequence[float], least: float) -> tuple[float, float]:
    """Return the powers of ten (and 2 and 5 times those) that enclose positive values."""
    low = max(min(values, default=least), least)
    high = max(max(values, default=least), low * 1.01)
    return _nice(low, math.floor), _nice(high, math.ceil)


def histogram(
    values: Sequence[float], bounds: tuple[float, float], asked: float = 0.0, title: str = ""
) -> str:
    """Return bars over a logarithmic axis; values above `asked`, marked by a line, have another colour."""
    low, high = (math.log(bound) for bound in bounds)
    span = max(high - low, 1e-9)
    bins, over = [0] * BINS, [False] * BINS
    for value in values:
        at = (math.log(max(value, bounds[0])) - low) / span
        place = min(BINS - 1, max(0, int(at * BINS)))
        bins[place] += 1
        over[place] |= bool(asked) and value > asked
    top = max(bins, default=0) or 1
    step = WIDTH / BINS
    bars = [
        f'<rect class="{"over" if beyond else "bar"}" x="{place * step:.1f}" width="{step - 1:.1f}" '
        f'y="{HEIGHT - 1 - height:.1f}" height="{height:.1f}"/>'
        for place, (count, beyond) in enumerate(zip(bins, over, strict=True))
        if count and (height := max(2.0, (HEIGHT - 4) * math.sqrt(count / top)))
    ]
    mark = ""
    if asked:
        x = WIDTH * min(1.0, max(0.0, (math.log(asked) - low) / span))
        mark = f'<line class="asked" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{HEIGHT}"/>'
    return (
        f'<svg class="hist" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img">'
        f"<title>{html_text(title)}</title>"
        f'<line class="axis" x1="0" x2="{WIDTH}" y1="{HEIGHT - 0.5}" y2="{HEIGHT - 0.5}"/>'
        f"{''.join(bars)}{mark}</svg>"
    )


def _nice(value: float, rounding: object) -> float:
    exponent = math.floor(math.log10(value))
    steps = [factor * 10.0**power for power in (exponent, exponent + 1) for factor in (1, 2, 5)]
    if rounding is math.floor:
        return max(step for step in steps if step <= value * 1.0000001)
    return min(step for step in steps if step >= value * 0.9999999)
