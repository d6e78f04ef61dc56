#!/usr/bin/env python3
"""A loop whose number of rounds is known: a chain of sub-workflows, written out when the workflow is.

Usage: unrolled.py [ROUNDS]. Writes workflow.yml, one document a round, and the catalogs.
"""

import sys

from catalogs import write_catalogs
from Pegasus.api import File, Job, SubWorkflow, Workflow

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 6

write_catalogs()
wf = Workflow("unrolled")
x = File("x0.txt")
for number in range(ROUNDS):
    y = File(f"x{number + 1}.txt")
    one_round = Workflow(f"round{number}")
    one_round.add_jobs(Job("newton").add_args(x, y).add_inputs(x).add_outputs(y, stage_out=False))
    is_last = number == ROUNDS - 1
    wf.add_jobs(SubWorkflow(one_round).add_inputs(x).add_outputs(y, stage_out=is_last))
    x = y
wf.write("workflow.yml")
