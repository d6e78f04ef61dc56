"""qsub, qstat, qdel, qacct and qconf, as Grid Engine 8.1.9 answers."""

from __future__ import annotations

from html import escape

from kit.fake_scheduler.queue_directory import Job, QueueDirectory
from kit.fake_scheduler.systems import Answer, Usage, lacking, numbers, of_user, options, submitted

WORDS = {
    "busy": 'error: commlib error: got select error (Connection refused)\nUnable to run job: unable to send message to qmaster using port 6444 on host "q": got send error\nExiting.\n',
    "full": "Unable to run job: job rejected: only 1 jobs are allowed per user (current job count: 1)\nExiting.\n",
    "refused": 'Unable to run job: denied: host "login" is not a submit host\nExiting.\n',
    "down": 'error: commlib error: got select error (Connection refused)\nerror: unable to send message to qmaster using port 6444 on host "q": got send error\n',
}

_VALUED = {"-N", "-t", "-r", "-w", "-S", "-j", "-o", "-e", "-wd", "-pe", "-l", "-q", "-P", "-p", "-ac", "-m"}


def variables(job: Job, position: int) -> dict[str, str]:
    return {
        "JOB_ID": job["id"],
        "JOB_NAME": job["name"],
        "SGE_TASK_ID": str(position + 1) if job["is_array"] else "undefined",
    }


def qsub(queue: QueueDirectory, argv: list[str]) -> Answer:
    # -pe has two words.
    words = list(argv)
    slots = "1"
    if "-pe" in words:
        slots = words.pop(words.index("-pe") + 2)
    found, rest = options(words, {"-terse", "-notify", "-h", "-cwd", "-V"}, _VALUED)
    if not rest:
        raise Usage("a script is missing")
    asked = dict(word.partition("=")[::2] for word in found.get("-l", "").split(",") if word)
    first, _, last = found.get("-t", "1").partition("-")
    memory_mb = int(asked.get("h_vmem", "0M")[:-1]) * int(slots)
    lack = lacking(queue, found.get("-q", ""), int(last or first), int(slots), memory_mb)
    if lack:
        text = {
            "queue": f'Job was rejected because job requests unknown queue "{found.get("-q")}"',
            "array": f"job rejected: you tried to submit a job with more than {queue.control['max_array']} tasks",
        }.get(lack, "error: no suitable queues")
        return "", f"Unable to run job: {text}\nExiting.\n", 1
    limit_s = int(asked.get("h_rt", "0"))
    native_id = submitted(
        queue,
        open(rest[0]).read(),
        found.get("-N", "job"),
        int(last or first),
        cwd=found.get("-wd", ""),
        is_array="-t" in found,
        held="hold" if "-h" in found else "",
        cores=int(slots),
        limit_s=limit_s,
        grace_s=limit_s - int(asked["s_rt"]) if "s_rt" in asked else 0,
        output=found.get("-o", ""),
    )
    return f"{native_id}.{first}-{last}:1\n" if last else f"{native_id}\n", "", 0


def qstat(queue: QueueDirectory, argv: list[str]) -> Answer:
    found, _ = options(argv, {"-xml"}, {"-u", "-s"})
    running, waiting = [], []
    for job in of_user(queue, found.get("-u", "")):
        for position, element in queue.known(job):
            if element["state"] == "running":
                state = "dr" if "cancelled" in element else "r"
                running.append(_entry(job, "running", state, f"main@{element['host']}", str(position + 1)))
        tasks = _ranges([position + 1 for position in queue.waiting(job)])
        if tasks:
            waiting.append(_entry(job, "pending", "hqw" if job["held"] else "qw", "", tasks))
    lists = f"<queue_info>\n{''.join(running)}</queue_info>\n<job_info>\n{''.join(waiting)}</job_info>\n"
    return f"<?xml version='1.0'?>\n<job_info>\n{lists}</job_info>\n", "", 0


def _entry(job: Job, kind: str, state: str, host: str, tasks: str) -> str:
    return (
        f'<job_list state="{kind}">\n<JB_job_number>{job["id"]}</JB_job_number>\n<JAT_prio>0.5</JAT_prio>\n'
        f"<JB_name>{escape(job['name'])}</JB_name>\n<JB_owner>{job['user']}</JB_owner>\n<state>{state}</state>\n"
        f"<queue_name>{escape(host)}</queue_name>\n<slots>{job['cores']}</slots>\n"
        + (f"<tasks>{tasks}</tasks>\n" if job["is_array"] else "")
        + "</job_list>\n"
    )


def _ranges(positions: list[int]) -> str:
    runs: list[list[int]] = []
    for position in positions:
        if runs and position == runs[-1][1] + 1:
            runs[-1][1] = position
        else:
            runs.append([position, position])
    return ",".join(str(first) if first == last else f"{first}-{last}:1" for first, last in runs)


def qdel(queue: QueueDirectory, argv: list[str]) -> Answer:
    lines, code = [], 0
    for word in argv:
        native_id, _, tasks = word.partition(".")
        job = queue.jobs.get(native_id)
        if job is None:
            lines.append(f'denied: job "{native_id}" does not exist\n')
            code = 1
            continue
        for number in numbers(tasks) if tasks else range(1, job["last"] + 2):
            queue.cancel(job, number - 1)
        lines.append(f"root has registered the job-array task {word} for deletion\n")
    return "".join(lines), "", code


def qacct(queue: QueueDirectory, argv: list[str]) -> Answer:
    found, _ = options(argv, set(), {"-j"})
    parts = []
    for entry in queue.accounts():
        if entry["id"] == found.get("-j") and entry["host"]:
            failed, status = _codes(entry)
            task = entry["position"] + 1 if entry["is_array"] else "undefined"
            parts.append(
                f"{'=' * 62}\nqname        main\nhostname     {entry['host']}\nowner        {entry['user']}\njobname      {entry['name']}\n"
                f"jobnumber    {entry['id']}\ntaskid       {task}\nfailed       {failed}\nexit_status  {status}\n"
            )
    if not parts:
        return "", f"error: job id {found.get('-j')} not found\n", 1
    return "".join(parts), "", 0


def _codes(entry: dict[str, object]) -> tuple[str, object]:
    if entry["ending"] == "timeout":
        return "37  : qmaster enforced h_rt, h_cpu, or h_vmem limit", 137
    if entry["ending"] == "node-lost":
        return "22  : execd lost", 0
    if entry["ending"] == "cancelled" or entry["signal"]:
        return "100 : assumedly after job", 137
    return "0", entry["code"]


def qconf(queue: QueueDirectory, argv: list[str]) -> Answer:
    return (
        f"#global:\nmax_aj_tasks                 {queue.control['max_array']}\n",
        "",
        0 if argv == ["-sconf"] else 1,
    )


PROGRAMS = {"qsub": qsub, "qstat": qstat, "qdel": qdel, "qacct": qacct, "qconf": qconf}
