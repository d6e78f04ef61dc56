#!/usr/bin/env python3
"""The smallest workflow: fetch a web page, count its lines.

usage: workflow.py [URL]

Both programs are found on PATH, so there is no catalog at all; the order of the jobs is written by hand.
"""

import os
import sys

from Pegasus.api import File, Job, Workflow

url = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("PIPELINE_URL", "http://example.org/")

wf = Workflow("pipeline")

page = File("page.html")
count = File("count.txt")

fetch = Job("curl").add_args("-o", page, url).add_outputs(page, stage_out=True, register_replica=False)
lines = (
    Job("wc").add_args("-l", page).add_inputs(page).set_stdout(count, stage_out=True, register_replica=False)
)

wf.add_jobs(fetch, lines)
wf.add_dependency(lines, parents=[fetch])

wf.write("pipeline.yml")
