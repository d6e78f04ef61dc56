"""The processes of an attempt: what to start for a task, and how it ended."""

import errno
import os
import shutil
import signal
import stat
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from markab.errors import quoted
from markab.transfers.beneath import NOT_A_FILE, Beneath
from markab.transfers.container_tool import SHIFTER
from markab.transfers.error_kinds import ErrorKind
from markab.transfers.text_size import size_in_bytes
from markab.worker.attempt import Prepared
from markab.worker.container_command import (
    ContainerRun,
    bounds_memory,
    container_command,
    container_name,
    directory_inside,
    environ_inside,
    is_removable,
)
from markab.worker.container_exit import ENGINE_CODES
from markab.worker.container_images import ReadyContainer
from markab.worker.container_series import MOST as MOST_IN_CONTAINER
from markab.worker.container_series import (
    TaskEnd,
    fit_together,
    results_name,
    series_command,
    take_results,
)
from markab.worker.exit_judgement import bad_status, out_of_memory
from markab.worker.failure import AttemptFailed
from markab.worker.job_scripts import POST
from markab.worker.oom_kills import OomKills
from markab.worker.record import invocation_entry, usage_entry
from markab.worker.split_arguments import split_words
from markab.worker.steady_time import steady_time
from markab.worker.task_order import MOST

MAX_TEXT_BYTES = 131071
"""Linux gives to no program a longer argument, or a longer variable with its name (MAX_ARG_STRLEN)."""

_FAILURES_OF_A_TASK = (
    ErrorKind.EXIT,
    ErrorKind.SIGNAL,
    ErrorKind.MEMORY,
    ErrorKind.NO_PROGRAM,
    ErrorKind.NOT_EXECUTABLE,
)


class Process(object):
    """What to start: all paths are absolute, or relative to `cwd`."""

    __slots__ = (
        "argv",
        "attempt_environ",
        "base_environ",
        "cwd",
        "directory",
        "executable",
        "start",
        "streams",
        "task",
        "task_argv",
        "task_environ",
    )

    def __init__(self, task: Dict[str, Any], prepared: Prepared) -> None:
        self.task = task
        is_script = "script" in task
        self.cwd: str = prepared.spec["submit_dir"] if is_script else prepared.cwd
        self.executable: str = task["executable"]
        self.base_environ = prepared.base_environ
        self.attempt_environ: Mapping[str, str] = prepared.environ
        """The same for all tasks of the attempt; comes on top of the base."""
        self.task_environ: Mapping[str, str] = task.get("env") or {}
        arguments = task.get("arguments") or ""
        ready = None if is_script else prepared.containers.get((task.get("container") or {}).get("name", ""))
        inside = environ_inside(ready.container, self.own_environ()) if ready else {}
        environ: Dict[str, str] = {}
        if "$" in arguments:
            environ = dict(inside) if ready else self.environ()
        environ.update(task.get("words") or {})
        self.task_argv = [self.executable, *split_words(arguments, environ)]
        """What the task is: in its container, if it has one."""
        self.argv = self.task_argv
        """What is started on this machine."""
        if ready:
            self.argv, self.task_environ = _container_command(prepared, task, ready, inside, self.task_argv)
            self.executable = self.argv[0]
        assert prepared.directory is not None, "without one no task is started"
        self.directory: Beneath = prepared.directory
        self.streams = (task.get("stdin"), task.get("stdout"), task.get("stderr"))
        """Files that they are connected to, relative to `directory`. None: nothing to read; captured."""
        self.start = steady_time()

    def own_environ(self) -> Dict[str, str]:
        """Return what it gets on top of the base."""
        return dict(self.attempt_environ, **self.task_environ)

    def environ(self) -> Dict[str, str]:
        """Return the whole environment of the process."""
        return dict(self.base_environ, **self.own_environ())


class ContainerSeries(Process):
    """Several tasks that run in one container, one after the other."""

    __slots__ = ("members", "results")

    def __init__(self, members: Sequence[Process], prepared: Prepared) -> None:
        super().__init__(dict(members[0].task, executable="/bin/sh", arguments="", env={}), prepared)
        self.task = members[0].task
        self.members = members
        self.results = results_name(prepared.attempt_key, len(prepared.invocations))
        """Name of the directory in which the script says how they ended."""
        container = self.task["container"]
        tasks = [(one.task.get("env") or {}, one.task_argv) for one in members]
        words = series_command("%s/%s" % (directory_inside(container), self.results), tasks)
        ready: ReadyContainer = prepared.containers[container["name"]]
        inside = environ_inside(container, self.attempt_environ)
        self.argv, self.task_environ = _container_command(prepared, self.task, ready, inside, words)
        self.executable = self.argv[0]


def next_series(prepared: Prepared, most: int = MOST) -> List[Process]:
    """Return the processes that are started next, one after the other until one fails; those of others may still run.

    Nothing: all ran, or one failed that ends the job, or what is left has to wait for what runs.
    """
    scripts = prepared.scripts
    if scripts.running or POST in scripts.done:
        return []
    pre = None if prepared.errors else scripts.take_pre()
    if pre:
        return _script(prepared, pre)
    series = _tasks(prepared, most)
    if series or not prepared.order.is_idle:
        return series
    post = scripts.take_post(prepared.invocations, prepared.errors)
    return _script(prepared, post) if post else []


def _script(prepared: Prepared, script: Dict[str, Any]) -> List[Process]:
    try:
        return [_process(prepared, script)]
    except AttemptFailed as error:
        prepared.scripts.running = False
        prepared.scripts.done[script["script"]] = {}
        prepared.errors.append(error)
        return []


def _tasks(prepared: Prepared, most: int) -> List[Process]:
    if prepared.errors and not _goes_on(prepared):
        return []
    in_one = bool(prepared.containers) and not prepared.apart
    is_one_after_the_other = not prepared.job.get("tasks_at_once")
    tasks = prepared.order.take(MOST_IN_CONTAINER if in_one and is_one_after_the_other else most)
    series: List[Process] = []
    for task in tasks:
        try:
            series.append(_process(prepared, task))
        except AttemptFailed as error:
            if not series:
                prepared.errors.append(error)
            break
    prepared.order.give_back(tasks[len(series) :])
    if in_one and _share_a_container(series):
        together = ContainerSeries(series, prepared)
        try:
            together.directory.make_directory(together.results)
            return [together]
        except OSError:
            prepared.apart = True  # the task before left something there
    prepared.order.give_back([process.task for process in series[most:]])
    return series[:most]


def _share_a_container(series: Sequence[Process]) -> bool:
    if len(series) < 2:
        return False
    container = series[0].task.get("container")
    return (
        container is not None
        and container["type"] != SHIFTER
        and all(one.task.get("container") == container for one in series)
        and fit_together([(one.task.get("env") or {}, one.task_argv) for one in series])
    )


def _process(prepared: Prepared, task: Dict[str, Any]) -> Process:
    """Return the process of a task. Raises AttemptFailed if its arguments are wrong."""
    try:
        process = Process(task, prepared)
    except ValueError as error:
        message = "the arguments of task '%s' cannot be split into words: %s: %s" % (
            task["id"],
            error,
            task.get("arguments"),
        )
        hint = "close the quote, or write \\ before it"
        raise AttemptFailed(ErrorKind.ARGUMENTS, message, hint) from error
    if any("\0" in word for word in process.argv):
        message = "the arguments of task '%s' contain a NUL character" % task["id"]
        raise AttemptFailed(ErrorKind.ARGUMENTS, message)
    prepared.redirected += [name for name in process.streams[1:] if name]
    return process


def _goes_on(prepared: Prepared) -> bool:
    """Return whether the next task runs although there are errors: all of them are failures of tasks."""
    return bool(prepared.job.get("keep_going") and prepared.invocations) and all(
        error.kind in _FAILURES_OF_A_TASK for error in prepared.errors
    )


def record_end(
    prepared: Prepared,
    process: Process,
    pid: int,
    status: int,
    usage: Any,
    duration_s: float,
    why: Optional[AttemptFailed] = None,
    oom_kills: Optional[OomKills] = None,
) -> None:
    """Record how a process ended.

    Args:
        status: as `wait4` gave it.
        usage: the `rusage` that `wait4` gave.
        why: a reason that outranks the status: it was stopped because of the time, or cancelled.
        oom_kills: asked about a process that was killed, if it is known.
    """
    if isinstance(process, ContainerSeries):
        _record_series(prepared, process, pid, status, duration_s, why)
        return
    entry = invocation_entry(process.task["id"], process.task_argv, process.start, duration_s, pid, status)
    if not is_removable(process.task):  # what its command used is not what the container did
        entry.update(usage_entry(usage))
    is_task = _record(prepared, process, entry)
    _note_container(prepared, process, status, why)
    if why is not None:
        prepared.errors.append(why)
    if status and is_task:
        killed = why is None and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if killed and oom_kills is not None and oom_kills.claim():
            prepared.errors.append(out_of_memory(process.task["id"]))
        else:
            prepared.errors.append(bad_status(process.task["id"], status, by_worker=why is not None))


def _note_container(prepared: Prepared, process: Process, status: int, why: Optional[AttemptFailed]) -> None:
    """Note a container that may still be there."""
    if not is_removable(process.task):
        return
    is_kept = bounds_memory(process.task["container"])
    if is_kept or why is not None or (status and not _ended_by_itself(status)):
        prepared.left_containers.append(container_name(prepared.spec, process.task["id"]))
    if is_kept and status:
        prepared.bounded_containers.append(prepared.left_containers[-1])


def _record_series(
    prepared: Prepared,
    series: ContainerSeries,
    pid: int,
    status: int,
    duration_s: float,
    why: Optional[AttemptFailed],
) -> None:
    """Record how the tasks in one container ended; those that were not started are to be started later."""
    _note_container(prepared, series, status, why)
    ends = take_results(series.directory, series.results, len(series.members))
    started = len(ends)
    if not ends and why is None and os.WIFEXITED(status) and os.WEXITSTATUS(status) in ENGINE_CODES[1:]:
        prepared.apart = True  # there is no shell
    elif not ends:
        started = 1
        ends = [TaskEnd(series.start, series.start + duration_s, None)]
    for member, end in zip(series.members, ends):  # noqa: B905  Python 3.6
        task, running = member.task["id"], end.code is None
        ended = status if end.code is None else end.code << 8
        until = series.start + duration_s if running else end.end
        entry = invocation_entry(task, member.task_argv, end.start, max(0.0, until - end.start), pid, ended)
        _record(prepared, member, entry)
        if running and why is not None:
            message = why.message.replace("'%s'" % series.task["id"], "'%s'" % task)
            prepared.errors.append(AttemptFailed(why.kind, message, why.hint))
        if ended:
            prepared.errors.append(bad_status(task, ended, by_worker=why is not None))
    prepared.order.give_back([member.task for member in series.members[started:]])


def record_failed_start(prepared: Prepared, process: Process, error: Union[OSError, AttemptFailed]) -> None:
    """Record that the system refused to start a process, and why."""
    if isinstance(process, ContainerSeries):
        take_results(process.directory, process.results, 0)
        prepared.order.give_back([member.task for member in process.members[1:]])
    _record(prepared, process, invocation_entry(process.task["id"], process.task_argv, process.start))
    prepared.errors.append(error if isinstance(error, AttemptFailed) else _start_error(process, error))


def _record(prepared: Prepared, process: Process, entry: Dict[str, Any]) -> bool:
    """Record the end of a process; return whether it was that of a task."""
    script: Optional[str] = process.task.get("script")
    if script is not None:
        prepared.scripts.record(script, entry, prepared.errors)
        return False
    prepared.invocations.append(entry)
    prepared.order.ended(process.task["id"], not entry["status"])
    return True


def _ended_by_itself(status: int) -> bool:
    """Return whether a container's command ended as its container did, and so removed it."""
    return os.WIFEXITED(status) and os.WEXITSTATUS(status) != ENGINE_CODES[0]


def _container_command(
    prepared: Prepared,
    task: Dict[str, Any],
    ready: ReadyContainer,
    environ: Mapping[str, str],
    argv: List[str],
) -> Tuple[List[str], Mapping[str, str]]:
    """Return the command line of a task in a container, its program with its path, and the variables for it."""
    run = ContainerRun(
        ready.tool,
        ready.image,
        prepared.cwd,
        environ,
        container_name(prepared.spec, task["id"]),
        prepared.attempt_key,
        prepared.job.get("gpus") or 0,
        task.get("stdin") is not None,
        os.getuid(),
        os.getgid(),
        prepared.job.get("memory_mb") or 0,
    )
    try:
        # Of its own: tasks may share an image and differ in the rest.
        words, variables = container_command(task["container"], run, argv)
    except ValueError as error:
        message = "task '%s' cannot be run in container '%s': %s" % (
            task["id"],
            task["container"]["name"],
            error,
        )
        raise AttemptFailed(ErrorKind.ARGUMENTS, message) from error
    program = shutil.which(words[0])
    if program is None:
        message = "the program '%s', which is to start container '%s', is not on PATH" % (
            words[0],
            task["container"]["name"],
        )
        raise AttemptFailed(ErrorKind.NO_PROGRAM, message, "install it, or correct container.launcher")
    return [program, *words[1:]], variables


def _start_error(process: Process, error: OSError) -> AttemptFailed:
    program = process.executable
    task = process.task["id"]
    path = os.path.join(process.cwd, program)
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ENOEXEC, errno.ELOOP):
        if not os.path.lexists(path):
            return AttemptFailed(
                ErrorKind.NO_PROGRAM,
                "program '%s' of task '%s' does not exist" % (program, task),
                "correct its pfn in the transformation catalog, or install it there",
            )
        if os.path.isdir(path):
            return AttemptFailed(
                ErrorKind.NOT_EXECUTABLE, "program '%s' of task '%s' is a directory" % (program, task)
            )
        if not os.access(path, os.X_OK):
            return AttemptFailed(
                ErrorKind.NOT_EXECUTABLE,
                "program '%s' of task '%s' is not executable" % (program, task),
                "chmod +x %s" % quoted(path),
            )
        interpreter = _interpreter(path)
        if error.errno == errno.ENOEXEC:
            return AttemptFailed(
                ErrorKind.NOT_EXECUTABLE,
                "program '%s' of task '%s' is neither a binary for this machine nor a script"
                % (program, task),
                "begin a script with a line like #!/bin/sh; a binary must be made for %s"
                % os.uname().machine,
            )
        if interpreter is not None:
            what = "does not exist" if not os.path.exists(interpreter) else "cannot be executed"
            return AttemptFailed(
                ErrorKind.NO_PROGRAM if error.errno == errno.ENOENT else ErrorKind.NOT_EXECUTABLE,
                "the interpreter '%s' in the first line of '%s' (task '%s') %s"
                % (interpreter, program, task, what),
                "the lines end with carriage returns; remove them from the program, not from a copy: "
                "sed -i 's/\\r$//' FILE"
                if interpreter.endswith("\r")
                else "correct the #! line, or install the interpreter",
            )
        if error.errno == errno.ENOENT:
            return AttemptFailed(
                ErrorKind.NO_PROGRAM,
                "the loader of program '%s' (task '%s') is not on this machine" % (program, task),
                "ldd %s" % quoted(path),
            )
    if error.errno == errno.E2BIG:
        return _too_long(process)
    return AttemptFailed(
        ErrorKind.INTERNAL, "task '%s' cannot be started: %s" % (task, error.strerror or error)
    )


def _too_long(process: Process) -> AttemptFailed:
    """Return what the system refused as too long: one variable, all variables together, or the arguments."""
    task = process.task["id"]
    sizes = {name: size_in_bytes(name + "=" + value) for name, value in process.environ().items()}
    name = max(sizes, key=lambda known: sizes[known], default="")
    if name in process.own_environ():
        hint = "write the value of %s into a file that the task reads" % name
    else:
        hint = "the engine passes it on from its own environment: `unset %s` before `markab run`" % name
    if sizes and sizes[name] > MAX_TEXT_BYTES:
        message = "environment variable '%s' of task '%s' is too long for this system: %d bytes of at most %d"
        return AttemptFailed(ErrorKind.ARGUMENTS, message % (name, task, sizes[name], MAX_TEXT_BYTES), hint)
    arguments = sum(size_in_bytes(word) + 1 for word in process.argv)
    environment = sum(sizes.values()) + len(sizes)
    if environment > arguments:
        message = (
            "the environment of task '%s' is too long for this system: %d bytes in %d variables,"
            " of which '%s' has %d" % (task, environment, len(sizes), name, sizes[name])
        )
        return AttemptFailed(ErrorKind.ARGUMENTS, message, hint)
    message = "the arguments of task '%s' are too long for this system: %d bytes" % (task, arguments)
    return AttemptFailed(ErrorKind.ARGUMENTS, message, "write them into a file that the task reads")


def _interpreter(path: str) -> Optional[str]:
    """Return what the first line of a script names, or None if it is no script."""
    try:
        with open(path, "rb") as file:
            line = file.read(256).split(b"\n")[0]
    except OSError:
        return None
    if not line.startswith(b"#!"):
        return None
    words: List[bytes] = line[2:].strip(b" \t").split(b" ")
    return os.fsdecode(words[0])


def open_streams(process: Process, fallback: Tuple[int, int, int]) -> Tuple[Tuple[int, int, int], List[int]]:
    """Return descriptors for stdin, stdout and stderr, and those of them that the caller has to close.

    Raises:
        AttemptFailed: a file that a stream is connected to cannot be opened; nothing is left open.
    """
    descriptors = list(fallback)
    opened: List[int] = []
    for number, name in enumerate(process.streams):
        if name is None:
            continue
        if number == 2 and name == process.streams[1]:
            descriptors[2] = descriptors[1]
            continue
        try:
            descriptors[number] = _open_output(process, name) if number else _open_input(process, name)
            opened.append(descriptors[number])
        except OSError as error:
            for fd in opened:
                os.close(fd)
            stream = ("stdin", "stdout", "stderr")[number]
            kind = ErrorKind.STORAGE if number else ErrorKind.MISSING_INPUT
            message = "the %s of task '%s' cannot be connected to '%s': %s" % (
                stream,
                process.task["id"],
                os.path.join(process.cwd, name),
                error.strerror,
            )
            raise AttemptFailed(kind, message) from error
    return (descriptors[0], descriptors[1], descriptors[2]), opened


def _open_input(process: Process, name: str) -> int:
    """Open a file for reading, also through a link: a large input may be one."""
    fd = os.open(os.path.join(process.cwd, name), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(errno.EINVAL, NOT_A_FILE)


def _open_output(process: Process, name: str) -> int:
    """Open a new or emptied file; a link that a task left there is not followed."""
    folder, slash, _ = name.rpartition("/")
    if slash:
        process.directory.make_directory(folder)
    return process.directory.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
