#!/usr/bin/env python3
"""A loop that ends when a result says so: generate, plan, wait, read, and generate again. Needs no sub-workflow.

Usage: while_loop.py. Runs one workflow a round, and prints how many it took.
"""

from pathlib import Path

from catalogs import write_catalogs
from Pegasus.api import File, Job, ReplicaCatalog, Workflow

write_catalogs()
number, before, after = 0, 0.0, 1.0
while abs(after - before) >= 1e-9:
    x, y = File(f"x{number}.txt"), File(f"x{number + 1}.txt")
    wf = Workflow(f"round{number}")
    wf.add_jobs(Job("newton").add_args(x, y).add_inputs(x).add_outputs(y))
    wf.plan(sites=["local"], output_dir="results", dir="runs", submit=True).wait()
    result = Path("results", y.lfn).absolute()
    before, after = after, float(result.read_text())
    ReplicaCatalog().add_replica("local", y, result).write()
    number += 1
print(f"{after} after {number} rounds")
