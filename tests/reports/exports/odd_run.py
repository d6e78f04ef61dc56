"""A small real run whose files, and the words that jobs are called with, have names that formats must spell with care.

copy ── b … ── sort ── sub dir/c …
"""

from __future__ import annotations

import json
from pathlib import Path

from reports.exports.real_run import call, job

RAW = "a b#1 100%2F;v=2 é 😀 'q'.txt"
COPIED = 'b&c=<d>?e:f "q" \\ \u00a0\u2028 日本.csv'
SORTED = "sub dir/c #%23 [x]{y}|~^`$HOME.md"


def run_odd_names(directory: Path) -> Path:
    """Plan and run it; return its submit directory."""
    directory.mkdir(parents=True)
    (directory / RAW).write_text("c\nb\n")
    programs = {"copy": "/bin/cp", "sort": "/usr/bin/sort"}
    document = {
        "pegasus": "5.0.4",
        "name": "odd",
        "transformationCatalog": {
            "transformations": [
                {"name": name, "sites": [{"name": "local", "pfn": program, "type": "installed"}]}
                for name, program in programs.items()
            ]
        },
        "replicaCatalog": {
            "replicas": [{"lfn": RAW, "pfns": [{"site": "local", "pfn": str(directory / RAW)}]}]
        },
        "jobs": [
            job("ID1", "copy", f"{quoted(RAW)} {quoted(COPIED)}", [RAW], COPIED),
            job("ID2", "sort", f"{quoted(COPIED)} -o {quoted(SORTED)}", [COPIED], SORTED),
        ],
    }
    path = directory / "workflow.yml"
    path.write_text(json.dumps(document))
    results = directory / "results"
    planned = call("plan", "--json", "--sites", "local", "--output-dir", results, path, cwd=directory)
    assert planned.returncode == 0, planned.stderr
    submit_dir = Path(json.loads(planned.stdout)["submit_dir"])
    done = call("run", "--quiet", submit_dir, cwd=directory)
    assert done.returncode == 0, done.stderr + done.stdout
    return submit_dir


def quoted(name: str) -> str:
    return "'" + name.replace("'", "'\\''") + "'"
