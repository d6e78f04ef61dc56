"""sbatch, squeue, scancel, sacct and scontrol, as Slurm 22.05 answers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from kit.fake_scheduler.queue_directory import ElementState, Job, QueueDirectory
from kit.fake_scheduler.systems import Answer, Usage, lacking, numbers, options, submitted

WORDS = {
    "busy": "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\n",
    "full": "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n",
    "refused": "sbatch: error: Batch job submission failed: Access/permission denied\n",
    "down": "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n",
}

_SBATCH = {
    "--job-name", "--array", "--output", "--error", "--open-mode", "--chdir", "--comment", "--nodes", "--ntasks", "--ntasks-per-node",
    "--cpus-per-task", "--mem", "--mem-per-cpu", "--gpus", "--gres", "--time", "--signal", "--partition", "--account", "--qos",
    "--constraint", "--export", "--nice", "--dependency", "--licenses", "--exclude", "--reservation", "-p", "-t", "-A", "-C", "-J",
}  # fmt: skip
_STATES = {
    "cancelled": "CANCELLED",
    "timeout": "TIMEOUT",
    "node-lost": "NODE_FAIL",
    "memory": "OUT_OF_MEMORY",
}
_REASONS = {"timeout": "TimeLimit", "node-lost": "NodeFail", "memory": "OutOfMemory"}


def variables(job: Job, position: int) -> dict[str, str]:
    return {
        "SLURM_JOB_ID": str(int(job["id"]) + position),
        "SLURM_ARRAY_JOB_ID": job["id"],
        "SLURM_JOB_NAME": job["name"],
        "SLURM_CLUSTER_NAME": "fake",
    } | ({"SLURM_ARRAY_TASK_ID": str(position)} if job["is_array"] else {})


def sbatch(queue: QueueDirectory, argv: list[str]) -> Answer:
    found, rest = options(argv, {"--parsable", "--no-requeue", "--requeue", "--exclusive", "--hold"}, _SBATCH)
    if not rest:
        raise Usage("a script is missing")
    try:
        script = open(rest[0]).read()
    except OSError:
        return "", f"sbatch: error: Unable to open file {rest[0]}\n", 1
    partition = found.get("-p", found.get("--partition", queue.control["queues"][0]))
    first, _, last = found.get("--array", "0").partition("%")[0].partition("-")
    cores = int(found.get("--ntasks", "1")) * int(found.get("--cpus-per-task", "1"))
    lack = lacking(queue, partition, int(last or first) + 1, cores, _megabytes(found.get("--mem", "0")))
    if lack:
        failed = "sbatch: error: Batch job submission failed: "
        words = {
            "queue": f"sbatch: error: invalid partition specified: {partition}\n{failed}Invalid partition name specified",
            "array": f"{failed}Invalid job array specification",
            "cores": f"{failed}Requested node configuration is not available",
            "memory": f"sbatch: error: Memory specification can not be satisfied\n{failed}Requested node configuration is not available",
        }
        return "", f"{words[lack]}\n", 1
    cwd = found.get("--chdir", os.getcwd())
    native_id = submitted(
        queue,
        script,
        found.get("--job-name", os.path.basename(rest[0])),
        cwd=cwd,
        first=int(first),
        last=int(last or first),
        is_array="--array" in found,
        held="JobHeldUser" if "--hold" in found else "",
        queue=partition,
        cores=cores,
        limit_s=_seconds(found.get("-t", found.get("--time", "0"))),
        grace_s=int(found.get("--signal", "").partition("@")[2] or "0"),
        output=os.path.join(cwd, found.get("--output", "slurm-%j.out").replace("%%", "%")),
        comment=found.get("--comment", ""),
    )
    return (f"{native_id}\n" if "--parsable" in found else f"Submitted batch job {native_id}\n"), "", 0


def squeue(queue: QueueDirectory, argv: list[str]) -> Answer:
    flags = {"--noheader", "-h", "--array", "-r", "--all", "-a"}
    found, rest = options(
        argv, flags, {"--states", "-t", "--user", "-u", "--name", "-n", "--format", "-o", "--jobs", "-j"}
    )
    if rest:
        raise Usage(rest[0])
    names = found.get("--name", found.get("-n"))
    users = found.get("--user", found.get("-u"))
    states = found.get("--states", found.get("-t", "PENDING,RUNNING")).upper()
    layout = found.get("--format", found.get("-o", "%i %j %T %r"))
    parts: list[str] = []
    for job in queue.jobs.values():
        if (names is not None and job["name"] not in names.split(",")) or (
            users is not None and job["user"] not in users.split(",")
        ):
            continue
        for position, element in queue.known(job):
            state = state_of(element)
            if states == "ALL" or state in states.split(","):
                parts.append(_row(layout, job, position, state, element["host"], _reason(element)))
        if states == "ALL" or "PENDING" in states.split(","):
            why = job["held"] or job.get("reason") or queue.control["pending_reason"]
            parts.extend(_rows(layout, job, queue.waiting(job), why))
    return "".join(parts), "", 0


def _row(layout: str, job: Job, position: int | str, state: str, host: str, reason: str) -> str:
    index = str(position) if job["is_array"] else "N/A"
    values = {
        "%F": job["id"], "%K": index, "%T": state, "%N": host, "%r": reason, "%j": job["name"], "%u": job["user"],
        "%k": job["comment"] or "(null)", "%P": job["queue"], "%i": f"{job['id']}_{index}" if job["is_array"] else job["id"],
    }  # fmt: skip
    return re.sub("%[FKTNrjukPi]", lambda match: values[match[0]], layout) + "\n"


def _rows(layout: str, job: Job, positions: Iterable[int], reason: str) -> Iterable[str]:
    """Yield the lines of waiting elements, which differ only in the position."""
    before, *after = _row(layout, job, "\0", "PENDING", "", reason).split("\0") if job["is_array"] else ("",)
    for position in positions:
        yield (
            before + str(position).join(["", *after])
            if after
            else _row(layout, job, position, "PENDING", "", reason)
        )


def state_of(element: ElementState) -> str:
    if element["state"] == "running":
        return "COMPLETING" if "cancelled" in element else "RUNNING"
    if element["ending"] == "exit":
        return "FAILED" if element["code"] or element["signal"] else "COMPLETED"
    return _STATES[element["ending"]]


def _reason(element: ElementState) -> str:
    if element["state"] == "running":
        return "None"
    return (
        element["reason"]
        or _REASONS.get(element["ending"])
        or ("NonZeroExitCode" if element["code"] else "None")
    )


def scancel(queue: QueueDirectory, argv: list[str]) -> Answer:
    found, rest = options(argv, {"--full", "-f"}, {"--name", "-n", "--user", "-u", "--signal", "-s"})
    names = found.get("--name", found.get("-n"))
    for word in rest or list(queue.jobs):
        native_id, _, index = word.partition("_")
        job = queue.jobs.get(native_id)
        if job is None or (names is not None and job["name"] != names):
            continue
        wanted = numbers(index.strip("[]")) if index else range(job["first"], job["last"] + 1)
        for position in wanted:
            if job["first"] <= position <= job["last"]:
                queue.cancel(job, position)
    return "", "", 0


def sacct(queue: QueueDirectory, argv: list[str]) -> Answer:
    flags = {"--noheader", "-n", "--parsable2", "-P", "--allocations", "-X", "--duplicates", "-D"}
    found, rest = options(argv, flags, {"--jobs", "-j", "--name", "--format", "-o", "--starttime", "-S"})
    if rest:
        raise Usage(rest[0])
    if not queue.control["accounting"]:
        return "", "Slurm accounting storage is disabled\n", 1
    ids = found.get("--jobs", found.get("-j", "")).split(",")
    fields = found.get("--format", found.get("-o", "JobID,State,ExitCode")).split(",")
    lines = []
    for entry in queue.accounts():
        if entry["id"] not in ids or ("--name" in found and entry["name"] not in found["--name"].split(",")):
            continue
        values = {
            "JobID": f"{entry['id']}_{entry['position']}" if entry["is_array"] else entry["id"],
            "JobName": entry["name"],
            "State": "CANCELLED by 0" if entry["ending"] == "cancelled" else state_of(entry),
            "ExitCode": f"{entry['code']}:{entry['signal']}",
            "NodeList": entry["host"] or "None assigned",
        }
        lines.append("|".join(values[field] for field in fields) + "\n")
    return "".join(lines), "", 0


def scontrol(queue: QueueDirectory, argv: list[str]) -> Answer:
    if argv[:2] == ["show", "config"]:
        text = f"MaxArraySize            = {queue.control['max_array']}\nMaxJobCount             = 10000\nMinJobAge               = {queue.control['keep_ended_s']} sec\n"
        return text, "", 0
    if argv[:1] in (["release"], ["hold"]) and len(argv) == 2 and argv[1] in queue.jobs:
        queue.jobs[argv[1]]["held"] = "JobHeldUser" if argv[0] == "hold" else ""
        queue.changed = True
        return "", "", 0
    return "", "scontrol: error: invalid request\n", 1


def _seconds(text: str) -> int:
    """Read minutes, MM:SS, H:MM:SS or D-H:MM:SS."""
    days, dash, rest = text.rpartition("-")
    words = [int(word) for word in rest.split(":")]
    if dash:
        words += [0] * (3 - len(words))
    elif len(words) < 3:
        words = [0, *words, 0][:3]
    return ((int(days or 0) * 24 + words[0]) * 60 + words[1]) * 60 + words[2]


def _megabytes(text: str) -> int:
    factors = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024 * 1024}
    return int(float(text[:-1]) * factors[text[-1]]) if text[-1:] in factors else int(text)


PROGRAMS = {"sbatch": sbatch, "squeue": squeue, "scancel": scancel, "sacct": sacct, "scontrol": scontrol}
