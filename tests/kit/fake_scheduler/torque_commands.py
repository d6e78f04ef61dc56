"""qsub (and Moab's msub), qselect, qstat, qdel and qmgr, as the Administrator Guide of Torque 6.1 describes them."""

from __future__ import annotations

from kit.fake_scheduler import pbs_commands
from kit.fake_scheduler.pbs_commands import (
    attributes,
    exit_status,
    found_job,
    printed_id,
    qmgr,
    qselect,
    seconds,
)
from kit.fake_scheduler.queue_directory import Job, QueueDirectory
from kit.fake_scheduler.systems import Answer, Usage, elements, lacking, numbers, options, submitted

WORDS = pbs_commands.WORDS | {
    "full": "qsub: Maximum number of jobs already in queue MSG=total number of current user's jobs exceeds the queue limit\n"
}

_VALUED = {"-N", "-S", "-m", "-j", "-o", "-t", "-r", "-l", "-q", "-A", "-W", "-d"}


def variables(job: Job, position: int) -> dict[str, str]:
    return {"PBS_JOBID": job["id"], "PBS_JOBNAME": job["name"]} | (
        {"PBS_ARRAYID": str(position)} if job["is_array"] else {}
    )


def qsub(queue: QueueDirectory, argv: list[str]) -> Answer:
    found, rest = options(argv, {"-h"}, _VALUED)
    if not rest:
        raise Usage("a script is missing")
    last = int(found.get("-t", "0-0").rpartition("-")[2])
    asked = dict(word.partition("=")[::2] for word in found.get("-l", "").split(",") if word)
    nodes = dict(word.partition("=")[::2] for word in asked.get("nodes", "1").split(":"))
    cores = int(nodes.get("ppn", "1"))
    lack = lacking(queue, found.get("-q", ""), last + 1, cores, int(asked.get("mem", "0mb")[:-2]))
    if lack:
        words = {
            "queue": "Unknown queue MSG=cannot locate queue",
            "array": "Bad Job Array Request MSG=Requested array size too large",
        }
        return "", f"qsub: submit error ({words.get(lack, 'Job exceeds queue resource limits')})\n", 1
    job_id = submitted(
        queue,
        open(rest[0]).read(),
        found.get("-N", "STDIN"),
        last + 1,
        is_array="-t" in found,
        held="u" if "-h" in found else "",
        cores=cores,
        limit_s=seconds(asked.get("walltime", "0")),
        output=found.get("-o", ""),
    )
    return f"{printed_id(queue.jobs[job_id])}\n", "", 0


def qstat(queue: QueueDirectory, argv: list[str]) -> Answer:
    _, rest = options(argv, {"-t", "-f"}, set())
    parts = []
    for word in rest:
        job = found_job(queue, word)
        if job is None:
            return "", f"qstat: Unknown Job Id Error {word}\n", 153
        for position, element in elements(queue, job):
            facts = attributes(job, element)
            if element is not None and element["state"] == "ended":
                facts = {
                    "job_state": "C",
                    "exec_host": facts.get("exec_host", ""),
                    "exit_status": exit_status(element, -11),
                }
            name = f"{job['name']}-{position}" if job["is_array"] else job["name"]
            lines = "".join(f"    {key} = {value}\n" for key, value in ({"Job_Name": name} | facts).items())
            parts.append(f"Job Id: {printed_id(job, position)}\n{lines}\n")
    return "".join(parts), "", 0


def qdel(queue: QueueDirectory, argv: list[str]) -> Answer:
    found, rest = options(argv, set(), {"-t"})
    code = 0
    for word in rest:
        job = found_job(queue, word)
        if job is None:
            code = 153
            continue
        for position in numbers(found["-t"]) if "-t" in found else range(job["last"] + 1):
            queue.cancel(job, position)
    return "", f"qdel: Unknown Job Id {rest}\n" if code else "", code


PROGRAMS = {"qsub": qsub, "msub": qsub, "qselect": qselect, "qstat": qstat, "qdel": qdel, "qmgr": qmgr}
