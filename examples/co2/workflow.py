#!/usr/bin/env python3
"""How fast does CO₂ rise, and how deep does the Earth breathe? One answer per decade.

                    ┌─ fit 1960s ───────┐
                    ├─ bootstrap 1960s ─┤
    clean ── split ─┼─ …                ┼─┬─ merge ── tabulate
                    ├─ fit 1990s ───────┤ └─ draw
                    └─ bootstrap 1990s ─┘

Writes workflow.yml, replicas.yml and transformations.yml into the current directory.
"""

from pathlib import Path

from Pegasus.api import File, Job, ReplicaCatalog, Transformation, TransformationCatalog, Workflow

HERE = Path(__file__).resolve().parent
DECADES = ["1960s", "1970s", "1980s", "1990s"]
ROUNDS = 1000

# Where the inputs are. `season.py` is a module that three of our programs import:
# to Markab it is an input file like any other.
weekly = File("mauna-loa-weekly.csv")
season = File("season.py")
replicas = ReplicaCatalog()
replicas.add_replica("local", weekly, HERE / "data" / "mauna-loa-weekly.csv")
replicas.add_replica("local", season, HERE / "bin" / "season.py")
replicas.write()

# Where the programs are. Stageable: Markab brings them to wherever a job runs.
transformations = TransformationCatalog()
for name in ["clean", "split", "fit", "bootstrap", "merge", "tabulate", "draw"]:
    program = Transformation(name, site="local", pfn=HERE / "bin" / f"{name}.py", is_stageable=True)
    transformations.add_transformations(program)
transformations.write()

# The jobs. Their order follows from their files: a job that reads a file runs after the job that makes it.
workflow = Workflow("mauna-loa")

clean = File("clean.csv")
workflow.add_jobs(
    Job("clean").add_args(weekly, clean).add_inputs(weekly).add_outputs(clean, stage_out=False),
)

series = {decade: File(f"{decade}.csv") for decade in DECADES}
workflow.add_jobs(
    Job("split").add_args(clean, *DECADES).add_inputs(clean).add_outputs(*series.values(), stage_out=False),
)

fits = {decade: File(f"fit-{decade}.json") for decade in DECADES}
errors = {decade: File(f"errors-{decade}.json") for decade in DECADES}
for seed, decade in enumerate(DECADES):
    fit = Job("fit", node_label=f"fit {decade}")
    fit.add_args(series[decade], fits[decade])
    fit.add_inputs(series[decade], season)
    fit.add_outputs(fits[decade], stage_out=False)

    bootstrap = Job("bootstrap", node_label=f"bootstrap {decade}")
    bootstrap.add_args(series[decade], errors[decade], ROUNDS, seed)
    bootstrap.add_inputs(series[decade], season)
    bootstrap.add_outputs(errors[decade], stage_out=False)
    workflow.add_jobs(fit, bootstrap)

decades, table, figure = File("decades.csv"), File("table.md"), File("figure.svg")
workflow.add_jobs(
    Job("merge")
    .add_args(decades, *DECADES)
    .add_inputs(*fits.values(), *errors.values())
    .add_outputs(decades),
    Job("tabulate").add_args(decades).add_inputs(decades).set_stdout(table),
    Job("draw")
    .add_args(figure, clean, *DECADES)
    .add_inputs(clean, season, *fits.values(), *errors.values())
    .add_outputs(figure),
)

workflow.write()
