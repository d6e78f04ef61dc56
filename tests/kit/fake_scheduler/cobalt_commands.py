"""qsub, qstat and qdel, as the manual pages of Cobalt 1.0 describe them."""

from __future__ import annotations

from kit.fake_scheduler.queue_directory import Job, QueueDirectory
from kit.fake_scheduler.systems import Answer, Usage, elements, lacking, of_user, options, submitted

WORDS = {
    "busy": "Failed to connect to queue-manager\n",
    "full": "The limit of 20 jobs per user in the queue has been reached\n",
    "refused": "You are not allowed to submit to the queue\n",
    "down": "Failed to connect to queue-manager\n",
}

_VALUED = {
    "--mode",
    "--jobname",
    "-n",
    "-o",
    "-e",
    "--debuglog",
    "--cwd",
    "-t",
    "-q",
    "-A",
    "--attrs",
    "--env",
}


def variables(job: Job, position: int) -> dict[str, str]:
    return {"COBALT_JOBID": job["id"]}


def qsub(queue: QueueDirectory, argv: list[str]) -> Answer:
    found, rest = options(argv, {"-h"}, _VALUED)
    if len(rest) < 2:
        raise Usage("a program is missing")
    lack = lacking(queue, found.get("-q", ""), 1, int(found.get("-n", "1")), 0)
    if lack:
        return (
            "",
            f"Queue '{found.get('-q')}' does not exist\n" if lack == "queue" else "Not enough nodes\n",
            1,
        )
    native_id = submitted(
        queue,
        open(rest[1]).read(),
        found.get("--jobname", "N/A"),
        cwd=found.get("--cwd", ""),
        held="user_hold" if "-h" in found else "",
        limit_s=int(found.get("-t", "0")) * 60,
        output=found.get("-o", ""),
    )
    return f"{native_id}\n", "", 0


def qstat(queue: QueueDirectory, argv: list[str]) -> Answer:
    found, _ = options(argv, set(), {"-u", "--header"})
    rows = [tuple(found["--header"].split(":"))]
    for job in of_user(queue, found["-u"]):
        for _, element in elements(queue, job):
            if element is None:
                rows.append((job["id"], "user_hold" if job["held"] else "queued", "None", job["name"]))
            elif element["state"] == "running":
                rows.append(
                    (
                        job["id"],
                        "killing" if "cancelled" in element else "running",
                        element["host"],
                        job["name"],
                    )
                )
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([lines[0], "=" * len(lines[0]), *lines[1:]]) + "\n", "", 0


def qdel(queue: QueueDirectory, argv: list[str]) -> Answer:
    code = 0
    for word in argv:
        if word in queue.jobs:
            queue.cancel(queue.jobs[word], 0)
        else:
            code = 1
    return "", "qdel: no such job\n" if code else "", code


PROGRAMS = {"qsub": qsub, "qstat": qstat, "qdel": qdel}
