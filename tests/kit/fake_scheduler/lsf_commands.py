"""bsub, bjobs, bkill and bparams, as the command reference of LSF 10.1 describes them."""

from __future__ import annotations

import re

from kit.fake_scheduler.queue_directory import ElementState, Job, QueueDirectory
from kit.fake_scheduler.systems import Answer, Usage, elements, lacking, numbers, of_user, options, submitted

WORDS = {
    "busy": "LSF is down. Please wait ...\n",
    "full": "User <ada>: Pending job threshold reached. Retrying in 60 seconds...\n",
    "refused": "User <ada> cannot use the queue. Job not submitted.\n",
    "down": "Cannot connect to LSF. Please wait ...\n",
}

_VALUED = {
    "-J",
    "-o",
    "-e",
    "-cwd",
    "-Jd",
    "-nnodes",
    "-n",
    "-R",
    "-M",
    "-gpu",
    "-W",
    "-wt",
    "-wa",
    "-q",
    "-P",
}


def variables(job: Job, position: int) -> dict[str, str]:
    return {
        "LSB_JOBID": job["id"],
        "LSB_JOBNAME": job["name"],
        "LSB_JOBINDEX": str(position + 1) if job["is_array"] else "0",
    }


def bsub(queue: QueueDirectory, argv: list[str]) -> Answer:
    found, rest = options(argv, {"-rn", "-H"}, _VALUED)
    if not rest:
        raise Usage("a command is missing")
    name = re.fullmatch(r"(.*?)(?:\[1-(\d+)\])?", found.get("-J", "job"))
    assert name
    count, cores = int(name[2] or "1"), int(found.get("-n", "1"))
    lack = lacking(queue, found.get("-q", ""), count, cores, int(found.get("-M", "0MB")[:-2]))
    if lack:
        words = {
            "queue": f"{found.get('-q')}: No such queue",
            "array": "Bad array specification",
            "cores": "Too many processors requested",
        }
        return (
            "",
            f"{words.get(lack, 'MEMLIMIT: Cannot exceed queue hard limit(s)')}. Job not submitted.\n",
            255,
        )
    native_id = submitted(
        queue,
        # What it runs is text for a shell.
        f"#!/bin/sh\n{' '.join(rest)}\n",
        name[1],
        count,
        cwd=found.get("-cwd", ""),
        is_array=bool(name[2]),
        held="The job was suspended by the user while pending" if "-H" in found else "",
        cores=cores,
        limit_s=int(found.get("-W", "0")) * 60,
        grace_s=int(found.get("-wt", "0")) * 60,
        output=found.get("-o", ""),
        comment=found.get("-Jd", ""),
    )
    return f"Job <{native_id}> is submitted to queue <{found.get('-q', 'main')}>.\n", "", 0


def bjobs(queue: QueueDirectory, argv: list[str]) -> Answer:
    found, _ = options(argv, {"-a", "-noheader"}, {"-u", "-o"})
    lines = []
    for job in of_user(queue, found.get("-u", "")):
        for position, element in elements(queue, job):
            index = position + 1 if job["is_array"] else 0
            name = f"{job['name']}[{index}]" if index else job["name"]
            lines.append(f"{job['id']}|{index}|{'|'.join(_fields(job, element))}|{name}\n")
    return "".join(lines), "" if lines else "No job found\n", 0


def _fields(job: Job, element: ElementState | None) -> tuple[str, str, str, str, str]:
    if element is None:
        return (
            ("PSUSP", "-", "-", "-", job["held"])
            if job["held"]
            else ("PEND", "-", "-", "-", "New job is waiting for scheduling;")
        )
    host = element["host"] or "-"
    if element["state"] == "running":
        return ("RUN", "-", host, "-", "-")
    reason = {
        "timeout": "TERM_RUNLIMIT: job killed after reaching LSF run time limit",
        "cancelled": "TERM_OWNER: job killed by owner",
        "node-lost": "TERM_REMOVE_HUNG_JOB: job removed from LSF",
    }.get(element["ending"], "-")
    code = 128 + int(element["signal"]) if element["signal"] else int(element["code"])
    return (
        ("DONE", "-", host, "-", "-")
        if not code and reason == "-"
        else ("EXIT", str(code or 1), host, reason, "-")
    )


def bkill(queue: QueueDirectory, argv: list[str]) -> Answer:
    code = 0
    for word in argv:
        native_id, _, part = word.partition("[")
        job = queue.jobs.get(native_id)
        if job is None:
            code = 255
            continue
        for number in numbers(part.rstrip("]")) if part else range(1, job["last"] + 2):
            queue.cancel(job, number - 1)
    return "", f"Job <{argv}>: No matching job found\n" if code else "", code


def bparams(queue: QueueDirectory, argv: list[str]) -> Answer:
    return f"    MAX_JOB_ARRAY_SIZE = {queue.control['max_array']}\n", "", 0


PROGRAMS = {"bsub": bsub, "bjobs": bjobs, "bkill": bkill, "bparams": bparams}
