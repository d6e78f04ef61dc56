#!/usr/bin/env python3
"""A tree of three levels, of which only the top is written here: a job of each level writes what is below it.

    survey              this document: which cities there are decides what follows
      region            a sub-workflow for each city, and a table of their means
        lima, oslo      sorts the temperatures of a city, and computes their mean

Usage: workflow.py. Writes workflow.yml and transformations.yml into the current directory.
"""

from pathlib import Path

from Pegasus.api import File, Job, SubWorkflow, Transformation, TransformationCatalog, Workflow

HERE = Path(__file__).resolve().parent
CITIES = [File("lima.txt"), File("oslo.txt")]

catalog = TransformationCatalog()
for program in ("write_region", "write_city", "mean"):
    path = HERE / "bin" / f"{program}.py"
    catalog.add_transformations(Transformation(program, site="local", pfn=path, is_stageable=False))
catalog.write()

region, table = File("region.yml"), File("table.txt")
wf = Workflow("survey")
wf.add_jobs(
    Job("write_region", _id="write")
    .add_args(region, *CITIES)
    .add_inputs(*CITIES)
    .add_outputs(region, stage_out=False),
    SubWorkflow(region, _id="region").add_inputs(*CITIES).add_outputs(table, stage_out=False),
    Job("sort", _id="warmest").add_args("-k2", "-rn", table).add_inputs(table).set_stdout("warmest.txt"),
)
wf.write()
