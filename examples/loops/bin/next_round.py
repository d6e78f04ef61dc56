#!/usr/bin/env python3
"""Write the workflow of a round: next_round.py NUMBER BEFORE AFTER DOCUMENT.

If the last step changed little, the workflow only keeps the result. Else it makes a step, and has this program
write the workflow of the round after it, which is a sub-workflow of its own.
"""

import json
import sys

number, (before, after, document) = int(sys.argv[1]), sys.argv[2:]


def job(name, words, files):
    """Return a job whose last file is its output."""
    uses = [{"lfn": lfn, "type": "input"} for lfn in files[:-1]]
    uses.append({"lfn": files[-1], "type": "output", "stageOut": False, "registerReplica": False})
    return {"type": "job", "name": name, "id": name, "arguments": [*words, *files], "uses": uses}


with open(before) as one, open(after) as other:
    is_close = abs(float(one.read()) - float(other.read())) < 1e-9

if is_close:
    jobs = [job("keep", [], [after, "root.txt"])]
else:
    step, inner = f"x{number + 1}.txt", f"round{number + 1}.yml"
    jobs = [
        job("newton", [], [after, step]),
        job("next_round", [str(number + 1)], [after, step, inner]),
        {
            "type": "pegasusWorkflow",
            "file": inner,
            "id": "inner",
            "arguments": [],
            "uses": [
                {"lfn": inner, "type": "input", "forPlanning": True},
                {"lfn": step, "type": "input"},
                {"lfn": "root.txt", "type": "output", "stageOut": False, "registerReplica": False},
            ],
        },
    ]

with open(document, "w") as file:
    json.dump({"pegasus": "5.0.4", "name": f"round{number}", "jobs": jobs}, file, indent=1)
