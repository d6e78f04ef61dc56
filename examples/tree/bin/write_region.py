#!/usr/bin/env python3
"""Write the workflow of a region: write_region.py DOCUMENT CITY.txt...

It has two tasks for each city, one of which writes the workflow of the city while the other is that workflow, and one
that makes a table of all.
"""

import json
import sys

document, files = sys.argv[1], sys.argv[2:]


def uses(inputs, output):
    """Return the files of a task: its last one is not delivered."""
    return [{"lfn": lfn, "type": "input"} for lfn in inputs] + [
        {"lfn": output, "type": "output", "stageOut": False, "registerReplica": False}
    ]


jobs, means = [], []
for file in files:
    city = file.partition(".")[0]
    inner, mean = city + ".yml", city + ".mean"
    words = [city, inner]
    jobs.append(
        {
            "type": "job",
            "name": "write_city",
            "id": "write-" + city,
            "arguments": words,
            "uses": uses([], inner),
        }
    )
    reads = [{"lfn": inner, "type": "input", "forPlanning": True}, *uses([file], mean)]
    jobs.append({"type": "pegasusWorkflow", "file": inner, "id": city, "arguments": [], "uses": reads})
    means.append(mean)
table = {"type": "job", "name": "cat", "id": "table", "arguments": means, "stdout": "table.txt"}
jobs.append(dict(table, uses=uses(means, "table.txt")))
with open(document, "w") as out:
    json.dump({"pegasus": "5.0", "name": "region", "jobs": jobs}, out)
