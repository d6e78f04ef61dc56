"""flux submit, jobs and cancel, as the manual pages of flux-core 0.50 describe them."""

from __future__ import annotations

from kit.fake_scheduler.queue_directory import ElementState, Job, QueueDirectory
from kit.fake_scheduler.systems import Answer, Usage, elements, lacking, of_user, options, submitted

WORDS = {
    "busy": "flux-submit: ERROR: [Errno 11] Resource temporarily unavailable\n",
    "full": "flux-submit: ERROR: [Errno 22] job submission to main is disabled: too many jobs\n",
    "refused": "flux-submit: ERROR: [Errno 1] user is not permitted\n",
    "down": "flux-jobs: ERROR: broker: unable to connect: Connection refused\n",
}

_DIGITS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUED = {
    "--job-name", "--output", "--error", "--cwd", "--ntasks", "--cores-per-task", "--nodes", "--gpus-per-task", "--time-limit", "--signal",
    "--queue", "--bank", "--urgency",
}  # fmt: skip


def variables(job: Job, position: int) -> dict[str, str]:
    return {"FLUX_JOB_ID": printed_id(job["id"])}


def printed_id(native_id: str) -> str:
    number, text = int(native_id) + 58**6, ""
    while number:
        number, digit = divmod(number, 58)
        text = _DIGITS[digit] + text
    return f"ƒ{text}"


def flux(queue: QueueDirectory, argv: list[str]) -> Answer:
    programs = {"submit": _submit, "jobs": _jobs, "cancel": _cancel}
    if argv[:1] and argv[0] in programs:
        return programs[argv[0]](queue, argv[1:])
    raise Usage(argv[0] if argv else "")


def _submit(queue: QueueDirectory, argv: list[str]) -> Answer:
    found, rest = options(argv, set(), _VALUED)
    if len(rest) < 2:
        raise Usage("a command is missing")
    cores = int(found.get("--cores-per-task", "1"))
    lack = lacking(queue, found.get("--queue", ""), 1, cores, 0)
    if lack:
        text = (
            f"Invalid queue '{found.get('--queue')}' specified"
            if lack == "queue"
            else "unsatisfiable request"
        )
        return "", f"flux-submit: ERROR: [Errno 22] {text}\n", 1
    native_id = submitted(
        queue,
        open(rest[1]).read(),
        found.get("--job-name", "sh"),
        cwd=found.get("--cwd", ""),
        held="urgency" if found.get("--urgency") == "0" else "",
        cores=cores,
        limit_s=int(found.get("--time-limit", "0s")[:-1]),
        grace_s=int(found.get("--signal", "@0s").partition("@")[2][:-1]),
        output=found.get("--output", ""),
    )
    return f"{printed_id(native_id)}\n", "", 0


def _jobs(queue: QueueDirectory, argv: list[str]) -> Answer:
    found, _ = options(argv, {"-a", "--no-header"}, {"--user", "--count", "--format"})
    # Fields that have no value are empty.
    layout = found["--format"].replace("{id.f58}", "{id}")
    lines = []
    for job in of_user(queue, found["--user"]):
        for _, element in elements(queue, job):
            values = {
                "id": printed_id(job["id"]),
                "name": job["name"],
                "urgency": "0" if job["held"] else "16",
                **_values(job, element),
            }
            line = layout
            for key in (
                "id",
                "status",
                "urgency",
                "returncode",
                "nodelist",
                "sched.reason_pending",
                "exception.type",
                "exception.note",
                "name",
            ):
                line = line.replace(f"{{{key}}}", str(values.get(key, "")))
            lines.append(f"{line}\n")
    return "".join(lines[: int(found.get("--count", "1000"))]), "", 0


def _values(job: Job, element: ElementState | None) -> dict[str, object]:
    if element is None:
        return {"status": "SCHED"}
    if element["state"] == "running":
        return {"status": "RUN", "nodelist": element["host"]}
    ended = {
        "nodelist": element["host"],
        "returncode": 128 + int(element["signal"]) if element["signal"] else int(element["code"]),
    }
    if element["ending"] == "cancelled":
        return {**ended, "status": "CANCELED", "exception.type": "cancel"}
    if element["ending"] == "timeout":
        return {
            **ended,
            "status": "TIMEOUT",
            "exception.type": "timeout",
            "exception.note": "resource allocation expired",
        }
    if element["ending"] == "node-lost":
        return {
            **ended,
            "status": "FAILED",
            "returncode": 1,
            "exception.type": "node-failure",
            "exception.note": "lost contact with job shell",
        }
    return {**ended, "status": "FAILED" if ended["returncode"] else "COMPLETED"}


def _cancel(queue: QueueDirectory, argv: list[str]) -> Answer:
    by_id = {printed_id(native_id)[1:]: job for native_id, job in queue.jobs.items()}
    code = 0
    for word in argv:
        job = by_id.get(word.removeprefix("ƒ").removeprefix("f"))
        if job is None:
            code = 1
        else:
            queue.cancel(job, 0)
    return "", "flux-cancel: ERROR: unknown job id\n" if code else "", code


PROGRAMS = {"flux": flux}
