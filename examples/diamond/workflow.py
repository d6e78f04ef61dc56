#!/usr/bin/env python3
"""The diamond: split some readings in two, find the range of each half, compare.

                  ┌─ findrange ─┐
    preprocess ───┤             ├─── analyze
                  └─ findrange ─┘

Writes workflow.yml, replicas.yml and transformations.yml into the current directory.
"""

import logging
from pathlib import Path

from Pegasus.api import *

logging.basicConfig(level=logging.INFO)

TOP_DIR = Path(__file__).resolve().parent

# --- Replicas -----------------------------------------------------------------
fa = File("f.a").add_metadata(creator="ada")
rc = ReplicaCatalog().add_replica("local", fa, TOP_DIR / "f.a")
rc.write()

# --- Transformations ----------------------------------------------------------
preprocess = Transformation("preprocess", site="local", pfn=TOP_DIR / "bin/preprocess.py", is_stageable=True)
findrange = Transformation("findrange", site="local", pfn=TOP_DIR / "bin/findrange.py", is_stageable=True)
analyze = Transformation("analyze", site="local", pfn=TOP_DIR / "bin/analyze.py", is_stageable=True)

tc = TransformationCatalog()
tc.add_transformations(preprocess, findrange, analyze)
tc.write()

# --- Workflow -----------------------------------------------------------------
fb1 = File("f.b1")
fb2 = File("f.b2")
fc1 = File("f.c1")
fc2 = File("f.c2")
fd = File("f.d")

wf = Workflow("diamond")
wf.add_jobs(
    Job(preprocess).add_args("-i", fa, "-o", fb1, "-o", fb2).add_inputs(fa).add_outputs(fb1, fb2),
    Job(findrange).add_args("-i", fb1, "-o", fc1).add_inputs(fb1).add_outputs(fc1),
    Job(findrange).add_args("-i", fb2, "-o", fc2).add_inputs(fb2).add_outputs(fc2),
    Job(analyze).add_args("-i", fc1, "-i", fc2, "-o", fd).add_inputs(fc1, fc2).add_outputs(fd),
)
wf.write()
