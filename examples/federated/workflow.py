#!/usr/bin/env python3
"""Federated learning: in each round every site trains with its own data, and the weights are averaged.

    round 0: train at A, B, C → average → round 1: train at A, B, C → average → round 2 …

A round is a sub-workflow; it reads the weights of the one before, and hands its own to the next. Needs numpy, for
the programs. Usage: workflow.py [ROUNDS]. Writes workflow.yml, a document for each round, catalogs and data.
"""

import random
import sys
from pathlib import Path

import numpy as np

from Pegasus.api import (
    File,
    Job,
    ReplicaCatalog,
    SubWorkflow,
    Transformation,
    TransformationCatalog,
    Workflow,
)

BIN = Path(__file__).resolve().parent / "bin"
ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 3
SITES = ("a", "b", "c")

# --- Data: every site has seen another part of the line y = 1 + 2 x -----------
catalog = ReplicaCatalog()
chance = random.Random(1)
for place, site in enumerate(SITES):
    points = [place + chance.random() for _ in range(20 + 10 * place)]
    rows = [f"{x},{1 + 2 * x + chance.gauss(0, 0.1)}" for x in points]
    path = Path(f"data-{site}.csv").absolute()
    path.write_text("\n".join(["x,y", *rows]) + "\n")
    catalog.add_replica("local", path.name, path)
np.save("weights0.npy", np.zeros(2))
catalog.add_replica("local", "weights0.npy", Path("weights0.npy").absolute())
catalog.write()

programs = TransformationCatalog()
for name in ("train", "average"):
    path = BIN / f"{name}.py"
    programs.add_transformations(Transformation(name, site="local", pfn=path, is_stageable=False))
programs.write()

# --- Workflow -----------------------------------------------------------------
wf = Workflow("federated")
weights = File("weights0.npy")
for number in range(ROUNDS):
    one_round = Workflow(f"round{number}")
    trained = []
    for site in SITES:
        data, own = File(f"data-{site}.csv"), File(f"weights-{site}.npy")
        one_round.add_jobs(
            Job("train")
            .add_args(data, weights, own)
            .add_inputs(data, weights)
            .add_outputs(own, stage_out=False)
        )
        trained.append(own)
    mean = File(f"weights{number + 1}.npy")
    one_round.add_jobs(
        Job("average").add_args(mean, *trained).add_inputs(*trained).add_outputs(mean, stage_out=False)
    )
    is_last = number == ROUNDS - 1
    wf.add_jobs(SubWorkflow(one_round).add_inputs(weights).add_outputs(mean, stage_out=is_last))
    weights = mean
wf.write("workflow.yml")
