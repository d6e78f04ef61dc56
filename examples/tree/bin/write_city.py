#!/usr/bin/env python3
"""Write the workflow of a city: write_city.py CITY DOCUMENT."""

import json
import sys

city, document = sys.argv[1:]
data, ordered, mean = city + ".txt", city + ".sorted", city + ".mean"


def job(name, words, reads, makes, **more):
    """Return a task that reads one file and makes another."""
    uses = [
        {"lfn": reads, "type": "input"},
        {"lfn": makes, "type": "output", "stageOut": False, "registerReplica": False},
    ]
    return dict({"type": "job", "name": name, "id": name, "arguments": words, "uses": uses}, **more)


jobs = [
    job("sort", ["-n", data], data, ordered, stdout=ordered),
    job("mean", [city, ordered, mean], ordered, mean),
]
with open(document, "w") as out:
    json.dump({"pegasus": "5.0", "name": city, "jobs": jobs}, out)
