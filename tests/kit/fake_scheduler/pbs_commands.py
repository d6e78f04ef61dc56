"""qsub, qselect, qstat, qdel and qmgr, as the manual of PBS Professional 2022.1 describes them."""

from __future__ import annotations

import json

from kit.fake_scheduler.queue_directory import ElementState, Job, QueueDirectory
from kit.fake_scheduler.systems import Answer, Usage, elements, lacking, numbers, of_user, options, submitted

WORDS = {
    "busy": "Connection refused\nqsub: cannot connect to server fake (errno=15010)\n",
    "full": "qsub: would exceed queue main's per-user limit of jobs in 'Q' state\n",
    "refused": "qsub: Unauthorized Request\n",
    "down": "Connection refused\nqstat: cannot connect to server fake (errno=15010)\n",
}

_VALUED = {"-N", "-S", "-m", "-j", "-o", "-J", "-r", "-l", "-q", "-A", "-W"}


def variables(job: Job, position: int) -> dict[str, str]:
    return {"PBS_JOBID": job["id"], "PBS_JOBNAME": job["name"]} | (
        {"PBS_ARRAY_INDEX": str(position)} if job["is_array"] else {}
    )


def qsub(queue: QueueDirectory, argv: list[str]) -> Answer:
    found, rest = options(argv, {"-h"}, _VALUED)
    if not rest:
        raise Usage("a script is missing")
    if "-J" in found and found.get("-r") == "n":
        return "", "qsub: cannot submit a job array that is not rerunnable\n", 1
    first, _, last = found.get("-J", "0-0").partition("-")
    if "-J" in found and int(last) <= int(first):
        return "", "qsub: illegal -J value\n", 1
    asked = dict(word.partition("=")[::2] for word in found.get("-l", "").split(",") if word)
    chunk = dict(word.partition("=")[::2] for word in asked.get("select", "1").split(":"))
    cores, memory_mb = int(chunk.get("ncpus", "1")), int(chunk.get("mem", "0mb")[:-2])
    lack = lacking(queue, found.get("-q", ""), int(last) + 1, cores, memory_mb)
    if lack:
        words = {"queue": "Unknown queue", "array": "Array job exceeds server or queue size limit"}
        return "", f"qsub: {words.get(lack, 'Job exceeds queue and/or server resource limits')}\n", 1
    job_id = submitted(
        queue,
        open(rest[0]).read(),
        found.get("-N", "STDIN"),
        int(last) + 1,
        held="u" if "-h" in found else "",
        cores=cores,
        limit_s=seconds(asked.get("walltime", "0")),
        output=found.get("-o", ""),
    )
    return f"{printed_id(queue.jobs[job_id])}\n", "", 0


def seconds(text: str) -> int:
    """Read H:MM:SS."""
    total = 0
    for word in text.split(":"):
        total = total * 60 + int(word)
    return total


def printed_id(job: Job, position: int | None = None) -> str:
    """Return the id of a job or an element, as it is printed."""
    index = "" if position is None else position
    return f"{job['id']}[{index}].fake" if job["is_array"] else f"{job['id']}.fake"


def found_job(queue: QueueDirectory, word: str) -> Job | None:
    """Return the job of an id as it is printed."""
    return queue.jobs.get(word.partition(".")[0].partition("[")[0])


def qselect(queue: QueueDirectory, argv: list[str]) -> Answer:
    found, _ = options(argv, {"-x"}, {"-u"})
    return "".join(f"{printed_id(job)}\n" for job in of_user(queue, found.get("-u", ""))), "", 0


def qstat(queue: QueueDirectory, argv: list[str]) -> Answer:
    found, rest = options(argv, {"-x", "-t", "-f"}, {"-F"})
    jobs: dict[str, dict[str, object]] = {}
    for word in rest:
        job = found_job(queue, word)
        if job is None:
            return "", f"qstat: Unknown Job Id {word}\n", 153
        if job["is_array"]:
            jobs[printed_id(job)] = {"Job_Name": job["name"], "job_state": "B", "array": "True"}
        for position, element in elements(queue, job):
            if element is None or element["state"] == "running" or "-x" in found:
                jobs[printed_id(job, position)] = {"Job_Name": job["name"], **attributes(job, element)}
    return json.dumps({"timestamp": 0, "pbs_version": "22.05", "Jobs": jobs}, indent=4) + "\n", "", 0


def attributes(job: Job, element: ElementState | None) -> dict[str, object]:
    if element is None:
        return (
            {"job_state": "H", "comment": "Job held"}
            if job["held"]
            else {"job_state": "Q", "comment": "Not Running: Insufficient amount of resource: ncpus"}
        )
    host = f"{element['host']}/0"
    if element["state"] == "running":
        return {"job_state": "E" if "cancelled" in element else "R", "exec_host": host}
    state = {"job_state": "X" if job["is_array"] else "F"}
    if not element["host"]:
        return {**state, "Exit_status": 271, "comment": "Job deleted"}
    return {**state, "exec_host": host, "Exit_status": exit_status(element, -29)}


def exit_status(element: ElementState, timeout: int) -> int:
    """Return the exit status of an element; those of the system itself are negative."""
    if element["ending"] == "node-lost":
        return -3
    if element["ending"] == "timeout":
        return timeout
    return 256 + int(element["signal"]) if element["signal"] else int(element["code"])


def qdel(queue: QueueDirectory, argv: list[str]) -> Answer:
    code = 0
    for word in argv:
        job = found_job(queue, word)
        if job is None:
            code = 153
            continue
        part = word.partition("[")[2].partition("]")[0]
        for position in numbers(part) if part else range(job["last"] + 1):
            queue.cancel(job, position)
    return "", f"qdel: Unknown Job Id {argv}\n" if code else "", code


def qmgr(queue: QueueDirectory, argv: list[str]) -> Answer:
    key = argv[-1].rpartition(" ")[2]
    return f"Server fake\n    {key} = {queue.control['max_array']}\n\n", "", 0


PROGRAMS = {"qsub": qsub, "qselect": qselect, "qstat": qstat, "qdel": qdel, "qmgr": qmgr}
