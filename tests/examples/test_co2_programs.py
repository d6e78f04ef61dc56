"""The programs of the CO₂ example, on series small enough to know the answer."""

from __future__ import annotations

import csv
import importlib.util
import json
import math
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BIN = Path(__file__).parents[2] / "examples" / "co2" / "bin"


def program(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"co2_{name}", BIN / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(name: str, *args: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(BIN / f"{name}.py"), *map(str, args)]
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=60)


def write_series(path: Path, years: Sequence[float], ppm: Callable[[float], float]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["year", "co2_ppm"])
        writer.writerows((f"{t:.4f}", f"{ppm(t):.6f}") for t in years)


def known(t: float) -> float:
    """320 ppm in 1965, rising by 1.2 a year; highest in spring, 6 ppm from top to bottom."""
    return 320 + 1.2 * (t - 1965) + 3 * math.sin(2 * math.pi * t)


def weeks(first: float, last: float) -> list[float]:
    return [first + i / 52.1775 for i in range(int((last - first) * 52.1775))]


def read_json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


def test_a_known_trend_and_season_are_recovered(tmp_path: Path) -> None:
    write_series(tmp_path / "1960s.csv", weeks(1960, 1970), known)

    done = run("fit", "1960s.csv", "fit.json", cwd=tmp_path)

    assert (0, "") == (done.returncode, done.stderr)
    fit = read_json(tmp_path / "fit.json")
    assert 1.2 == pytest.approx(fit["growth_ppm_per_year"], abs=1e-4)
    assert 6 == pytest.approx(fit["swing_ppm"], abs=1e-3)
    assert fit["residual_ppm"] == pytest.approx(0, abs=1e-3)
    assert (92, 274) == (fit["peak_day"], fit["trough_day"])


def test_a_bent_trend_and_a_ragged_season_leave_nothing_unexplained(tmp_path: Path) -> None:
    def bent(t: float) -> float:
        return known(t) + 0.05 * (t - 1965) ** 2 + 0.4 * math.cos(8 * math.pi * t)

    write_series(tmp_path / "1960s.csv", weeks(1960, 1970), bent)

    assert run("fit", "1960s.csv", "fit.json", cwd=tmp_path).returncode == 0

    fit = read_json(tmp_path / "fit.json")
    assert fit["residual_ppm"] == pytest.approx(0, abs=1e-3)
    assert fit["coefficients"][2] == pytest.approx(0.05, abs=1e-4)


def test_gaps_in_the_record_do_not_bias_the_fit(tmp_path: Path) -> None:
    kept = [t for t in weeks(1960, 1970) if not 1964.1 < t < 1964.5]
    write_series(tmp_path / "1960s.csv", kept, known)

    assert run("fit", "1960s.csv", "fit.json", cwd=tmp_path).returncode == 0

    assert 1.2 == pytest.approx(read_json(tmp_path / "fit.json")["growth_ppm_per_year"], abs=1e-4)


def test_a_perfect_series_has_no_errors_and_a_noisy_one_has(tmp_path: Path) -> None:
    years = weeks(1960, 1970)
    write_series(tmp_path / "perfect.csv", years, known)
    write_series(tmp_path / "noisy.csv", years, lambda t: known(t) + math.sin(977 * t))

    for name in ["perfect", "noisy"]:
        assert run("bootstrap", f"{name}.csv", f"{name}.json", 30, 1, cwd=tmp_path).returncode == 0

    assert read_json(tmp_path / "perfect.json")["growth_ppm_per_year"] < 1e-5
    assert read_json(tmp_path / "noisy.json")["growth_ppm_per_year"] > 1e-4


def test_the_same_seed_gives_the_same_errors(tmp_path: Path) -> None:
    write_series(tmp_path / "s.csv", weeks(1960, 1963), lambda t: known(t) + math.sin(977 * t))

    for result, seed in [("a", 1), ("b", 1), ("c", 2)]:
        assert run("bootstrap", "s.csv", result, 10, seed, cwd=tmp_path).returncode == 0

    a, b, c = (read_json(tmp_path / name) for name in "abc")
    assert a == b != c


def test_a_matrix_times_its_inverse_is_one() -> None:
    season = program("season")
    matrix = [[0.0, 2.0, 1.0], [1.0, 1.0, 0.0], [3.0, 0.0, 1.0]]

    inverse = season.inverse(matrix)

    product = [[season.dot(row, column) for column in zip(*inverse, strict=True)] for row in matrix]
    assert [pytest.approx([float(i == j) for j in range(3)]) for i in range(3)] == product


def test_too_short_a_series_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path / "short.csv", weeks(1960, 1960.1), known)

    done = run("fit", "short.csv", "fit.json", cwd=tmp_path)

    assert done.returncode != 0
    assert "too few measurements" in done.stderr
    assert not (tmp_path / "fit.json").exists()


def test_cleaning_drops_empty_weeks_and_counts_years() -> None:
    clean = program("clean")

    assert 1970.5 == pytest.approx(clean.decimal_year(clean.date(1970, 7, 2)))


def test_cleaning_keeps_the_rest(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("date,co2_ppm\n1970-01-01,325.1\n1970-01-08,\n1970-07-02,326.0\n")

    done = run("clean", "in.csv", "out.csv", cwd=tmp_path)

    assert "2 weeks kept, 1 without a measurement\n" == done.stdout
    assert "year,co2_ppm\n1970.0014,325.1\n1970.5000,326.0\n" == (tmp_path / "out.csv").read_text()


def test_an_impossible_concentration_is_named(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("date,co2_ppm\n1970-01-01,3251\n")

    done = run("clean", "in.csv", "out.csv", cwd=tmp_path)

    assert done.returncode == 1
    assert "1970-01-01 has 3251.0 ppm" in done.stderr


def test_splitting_puts_every_week_in_its_decade(tmp_path: Path) -> None:
    (tmp_path / "clean.csv").write_text("year,co2_ppm\n1959.9,1\n1960.0,2\n1969.99,3\n1970.0,4\n")

    done = run("split", "clean.csv", "1960s", "1970s", cwd=tmp_path)

    assert "1960s: 2 weeks\n1970s: 1 weeks\n" == done.stdout
    assert "year,co2_ppm\n1960.0,2\n1969.99,3\n" == (tmp_path / "1960s.csv").read_text()
    assert "has no measurement in the 2050s" in run("split", "clean.csv", "2050s", cwd=tmp_path).stderr


def test_the_figure_is_svg_and_the_table_has_one_row_per_decade(tmp_path: Path) -> None:
    write_series(tmp_path / "clean.csv", weeks(1960, 1980), known)
    decades = ["1960s", "1970s"]
    assert run("split", "clean.csv", *decades, cwd=tmp_path).returncode == 0
    for decade in decades:
        assert run("fit", f"{decade}.csv", f"fit-{decade}.json", cwd=tmp_path).returncode == 0
        assert run("bootstrap", f"{decade}.csv", f"errors-{decade}.json", 5, 1, cwd=tmp_path).returncode == 0

    merged = run("merge", "decades.csv", *decades, cwd=tmp_path)
    table = run("tabulate", "decades.csv", cwd=tmp_path)
    drawn = run("draw", "figure.svg", "clean.csv", *decades, cwd=tmp_path)

    assert ["", "", ""] == [merged.stderr, table.stderr, drawn.stderr]
    rows = table.stdout.splitlines()
    assert 4 == len(rows)
    assert rows[2].startswith("| 1960s  |") and "1.20 ± 0.00" in rows[2] and "02 Apr" in rows[2]
    figure = ET.parse(tmp_path / "figure.svg")
    words = [element.text for element in figure.iter("{http://www.w3.org/2000/svg}text")]
    assert words.count("1960s") == 2
    assert "nan" not in (tmp_path / "figure.svg").read_text()
