"""How long the pictures of a run take, and how much memory.

    python benchmarks/draw_run.py [JOBS]

Each format of `graph`, and `report`, is a program of its own: prints its wall time, its
processor time, its peak of memory, and the size of what it wrote. PNG and PDF are left out
where there is no Graphviz.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from _made_run import cost_of, make_run

PICTURES = ("graph.dot", "graph.mmd", "graph.json", "graph.svg", "graph.png", "graph.pdf", "report.html")
BY_GRAPHVIZ = (".png", ".pdf")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("jobs", type=int, nargs="?", default=100_000)
    jobs = parser.parse_args().jobs
    with tempfile.TemporaryDirectory(prefix="markab-bench-") as name:
        make_run(Path(name), jobs)
        print(f"{jobs:,} jobs")
        for picture in PICTURES:
            if picture.endswith(BY_GRAPHVIZ) and not shutil.which("dot"):
                continue
            written = Path(name, picture)
            cost = cost_of(["-m", "markab", written.stem, name, "-o", written])
            print(f"{picture:<14}{cost} {written.stat().st_size / 1e6:>8,.2f} MB written", flush=True)


if __name__ == "__main__":
    main()
