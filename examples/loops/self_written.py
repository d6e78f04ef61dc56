#!/usr/bin/env python3
"""A loop inside one run: a job of each round writes the workflow of the next, which is a sub-workflow.

Usage: self_written.py. Writes workflow.yml, of the first round, and the catalogs.
"""

from catalogs import write_catalogs
from Pegasus.api import File, Job, SubWorkflow, Workflow

write_catalogs()
x, y, document, root = File("x0.txt"), File("x1.txt"), File("round1.yml"), File("root.txt")
wf = Workflow("self-written")
wf.add_jobs(
    Job("newton").add_args(x, y).add_inputs(x).add_outputs(y, stage_out=False),
    Job("next_round")
    .add_args("1", x, y, document)
    .add_inputs(x, y)
    .add_outputs(document, stage_out=False, register_replica=False),
    SubWorkflow(document).add_inputs(y).add_outputs(root),
)
wf.write("workflow.yml")
