"""Reads the document of a large workflow with each reader; prints CPU seconds, rates and peak memory.

    python benchmarks/read_workflow.py [JOBS]

Each job has one input, one output and two arguments. The fast reader takes the
document as it is, with the line ends of Windows, and with numbers that are not
quoted; the careful one is what a document with an anchor gets, or one with an
error; the last is the same workflow in XML. The reference is what most programs
do with YAML: `yaml.load` with the C parser, which checks nothing.

Every reading is a process of its own, so that each peak is its own. All times
are CPU seconds of reading and checking, with the loading of the code that does it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from common import peak_mb

REFERENCE = "yaml.load, C parser"
READINGS = {
    REFERENCE: "plain.yml",
    "fast reader": "plain.yml",
    "fast, line ends of Windows": "windows.yml",
    "fast, unquoted numbers": "numbers.yml",
    "careful, one anchor": "anchor.yml",
    "careful, one error": "error.yml",
    "XML": "plain.dax",
}


def jobs(count: int) -> Iterator[dict[str, Any]]:
    for i in range(count):
        yield {
            "type": "job",
            "name": "convert",
            "id": f"ID{i:07d}",
            "arguments": ["-i", f"raw_{i}.dat"],
            "uses": [
                {"lfn": f"raw_{i}.dat", "type": "input"},
                {"lfn": f"out_{i}.dat", "type": "output", "stageOut": True, "registerReplica": True},
            ],
        }


def write_documents(count: int, directory: Path) -> None:
    from markab.spec.writer import emit

    with (directory / "plain.yml").open("w", encoding="utf-8") as file:
        emit({"pegasus": "5.0.4", "name": "many", "jobs": jobs(count)}, file.write)
    text = (directory / "plain.yml").read_text(encoding="utf-8")
    (directory / "windows.yml").write_text(text, encoding="utf-8", newline="\r\n")
    (directory / "numbers.yml").write_text(text.replace("  - -i\n", "  - 3.10\n"), encoding="utf-8")
    (directory / "anchor.yml").write_text(text + "x-mine: &mine 1\n", encoding="utf-8")
    (directory / "error.yml").write_text(text + "strange: 1\n", encoding="utf-8")
    with (directory / "plain.dax").open("w", encoding="utf-8") as file:
        file.write('<adag xmlns="http://pegasus.isi.edu/schema/DAX" version="3.6" name="many">\n')
        for job in jobs(count):
            option, lfn = job["arguments"]
            file.write(f'<job id="{job["id"]}" name="{job["name"]}">\n')
            file.write(f"  <argument>{option} <file name={quoteattr(lfn)}/></argument>\n")
            for use in job["uses"]:
                flags = ' transfer="true" register="true"' if "stageOut" in use else ""
                file.write(f'  <uses name={quoteattr(use["lfn"])} link="{use["type"]}"{flags}/>\n')
            file.write("</job>\n")
        file.write("</adag>\n")


def read_reference(path: Path) -> None:
    import yaml

    yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)


def read_here(path: Path) -> None:
    from markab.errors import DocumentError
    from markab.spec.reader import read_workflow

    try:
        read_workflow(path, {})
    except DocumentError as error:
        if path.name != "error.yml":
            raise
        assert len(error.problems) == 1, error


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("jobs", nargs="?", type=int, default=100_000)
    parser.add_argument("--read", nargs=2, metavar=("READING", "PATH"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.read:
        measure(arguments.read[0], Path(arguments.read[1]))
        return

    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        write_documents(arguments.jobs, directory)
        print(f"{arguments.jobs:,} jobs")
        reference_s = 0.0
        for reading, document in READINGS.items():
            path = directory / document
            command = [sys.executable, __file__, "--read", reading, str(path)]
            answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            cpu_s, peak = map(float, answer.split())
            reference_s = reference_s or cpu_s
            size_mb = path.stat().st_size / 1e6
            print(
                f"{reading:27} {size_mb:6.1f} MB  {cpu_s:6.2f} s CPU  {size_mb / cpu_s:6.1f} MB/s  "
                f"{cpu_s / reference_s:5.2f} of the reference   peak {peak:6.0f} MB"
            )


def measure(reading: str, path: Path) -> None:
    """Read once; print CPU seconds and the peak of memory in MB."""
    read: Callable[[Path], None] = read_reference if reading == REFERENCE else read_here
    start = time.process_time()
    read(path)
    print(time.process_time() - start, peak_mb())


if __name__ == "__main__":
    main()
