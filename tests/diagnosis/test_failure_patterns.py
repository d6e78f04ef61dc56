from __future__ import annotations

import pytest

from kit.made_run import compute
from markab.diagnosis.causes import cause_of
from markab.diagnosis.failure_patterns import TABLE, recognise, traceback_line
from markab.diagnosis.failure_rules import RULES
from markab.plan.model import PlannedJob

JOB = compute("a")

SAID = [
    ("/usr/bin/env: ‘python3\\r’: No such file or directory", "carriage-return"),
    ("env: 'python3\r': No such file or directory", "carriage-return"),
    ("./x.sh: line 2: $'\\r': command not found", "carriage-return"),
    ("x.sh: line 4: syntax error near unexpected token `$'do\\r''", "carriage-return"),
    ("sh: ./x.sh: /bin/bash^M: bad interpreter: No such file or directory", "carriage-return"),
    ("./x.sh: 2: \r: not found", "carriage-return"),
    ("./x.sh: 2: ls\r: not found", "carriage-return"),
    ("./x.sh: 2: set: Illegal option -\r", "carriage-return"),
    (
        "Traceback (most recent call last):\n  File x\nModuleNotFoundError: No module named 'a.b'",
        "missing-module",
    ),
    ("Error in library(ggplot) : there is no package called ‘ggplot’", "missing-module"),
    (
        "x: error while loading shared libraries: libgsl.so.25: cannot open shared object file",
        "missing-library",
    ),
    ("./x: /lib/libc.so.6: version `GLIBC_2.34' not found (required by ./x)", "old-system"),
    ("torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", "gpu-memory"),
    ("RuntimeError: no CUDA-capable device is detected", "no-gpu"),
    ('Exception in thread "main" java.lang.OutOfMemoryError: Java heap space', "memory"),
    ("terminate called after throwing an instance of 'std::bad_alloc'", "memory"),
    ("numpy._core._exceptions._ArrayMemoryError: Unable to allocate 7 GiB", "memory"),
    ("OSError: [Errno 28] No space left on device: 'x'", "disk-full"),
    ("cp: error writing 'x': Disk quota exceeded", "quota"),
    ("tool: error: unrecognized arguments: --sise", "wrong-argument"),
    ("cp: invalid option -- 'y'", "wrong-argument"),
    ("curl: (6) Could not resolve host: data.example", "network"),
    ("FileNotFoundError: [Errno 2] No such file or directory: 'in.dat'", "missing-file"),
    ("cat: in.dat: No such file or directory", "missing-file"),
    ("PermissionError: [Errno 13] Permission denied: '/data/x'", "permission"),
    ("./run.sh: line 3: samtools: command not found", "no-command"),
    ("/bin/sh: 1: samtools: not found", "no-command"),
    ("zsh: command not found: samtools", "no-command"),
    ("OSError: [Errno 24] Too many open files: 'x'", "open-files"),
    ("./x: cannot execute binary file: Exec format error", "wrong-machine"),
    ("run.sh: line 4: 77 Segmentation fault      ./model", "crash"),
    ("sh: ./model: Permission denied", "not-executable"),
    ("/usr/bin/env: ‘Rscript’: No such file or directory", "no-interpreter"),
    ("./job.sh: line 3: module: command not found", "no-module-command"),
    ("ImportError: cannot import name 'Self' from 'typing' (/usr/lib/x.py)", "other-version"),
    ("RuntimeError: CUDA error: unspecified launch failure", "gpu-fault"),
    ("slurmstepd: error: *** JOB 7 ON n CANCELLED AT 2026-11-20T21 DUE TO TIME LIMIT ***", "time-limit"),
    ("slurmstepd: error: *** JOB 7 ON n CANCELLED AT 2026-11-20T21 ***", "cancelled"),
    ("cp: cannot create regular file '/opt/x': Read-only file system", "storage"),
    ("toomanyrequests: You have reached your pull rate limit.", "registry-limit"),
    ("unauthorized: authentication required", "registry-login"),
    ("Error: reading manifest latest: manifest unknown", "no-image"),
    ("FATAL: image format not recognized", "bad-image"),
    ("FATAL: while mounting: mount point does not exist", "mount"),
    ("./run.sh: line 2: apptainer: command not found", "container-program"),
    ("EnvironmentLocationNotFound: Not a conda environment: /opt/fit", "environment"),
    ("License checkout failed.", "licence"),
    ("RequestTimeTooSkewed", "clock"),
    ("ExpiredToken: The provided token has expired.", "expired"),
    ("curl: (60) SSL certificate problem: self-signed certificate", "certificate"),
    ("Host key verification failed.", "host-key"),
    ("ada@x: Permission denied (publickey).", "ssh-login"),
    ("urllib.error.HTTPError: HTTP Error 404: Not Found", "not-found"),
    ("curl: (22) The requested URL returned error: 403", "refused"),
    ("HTTP Error 429: Too Many Requests", "throttled"),
    ("OSError: [Errno 98] Address already in use", "service"),
    ("MPI_ABORT was invoked on rank 3", "mpi"),
    ("md5sum: WARNING: 1 computed checksum did NOT match", "checksum"),
    ("gzip: x.gz: unexpected end of file", "truncated"),
    ("json: Unexpected token '<'", "web-page"),
    ("RuntimeError: can't start new thread", "processes"),
    ("double free or corruption (!prev)", "signal"),
    ("sort: write failed: 'standard output': Broken pipe", "broken-pipe"),
    ("numpy.linalg.LinAlgError: Singular matrix", "numerical"),
    ("PermissionError: [Errno 13] Permission denied: '/data/x'", "permission"),
    ("Error in eval(expr) : object 'x' not found", "language-error"),
    ("run.sh: line 4: 77 Killed", "killed"),
]


@pytest.mark.parametrize(("text", "name"), SAID, ids=[f"{name}-{n}" for n, (_, name) in enumerate(SAID)])
def test_messages_are_recognised(text: str, name: str) -> None:
    found = recognise(f"starting\n{text}\n")
    assert found is not None and found.name == name and found.remedy
    assert "{0}" not in found.meaning + found.remedy


def test_every_kind_of_message_has_an_example() -> None:
    assert {row.name for row in TABLE} == {name for _, name in SAID}


def test_every_row_has_a_rule_and_is_found_by_its_needles() -> None:
    assert {row.rule for row in TABLE} <= RULES.keys()
    for text, _ in SAID:
        found = [row for row in TABLE if any(row.regex.search(line.rstrip()) for line in text.split("\n"))]
        assert found
        for row in found:
            assert any(needle in text.lower() for needle in row.needles), (row.name, text)


def test_the_line_with_the_message_has_its_number_in_the_whole_text() -> None:
    text = "".join(f"step {n}\n" for n in range(5000)) + "cp: x: No space left on device\nbye\n"
    found = recognise(text)
    assert found is not None and found.number == 5001
    long = recognise("y" * 70_000 + "\nslept\nTraceback (most recent call last):\n  x\nKeyError: 'a'\n")
    assert long is not None and (long.rule, long.number) == ("F49", 5)


@pytest.mark.parametrize("text", ["", "all is well\n", "4 files were not found useful, 3 killed time\n"])
def test_harmless_words_are_not_recognised(text: str) -> None:
    assert recognise(text) is None


def test_the_last_line_of_the_last_traceback_counts() -> None:
    first = "Traceback (most recent call last):\n  x\nKeyError: 'a'\n"
    text = (
        first
        + "During handling:\n\nTraceback (most recent call last):\n  y\nshop.Closed: till nine\nor later\nbye\n"
    )
    assert traceback_line(text.split("\n")) == "shop.Closed: till nine"
    found = recognise("No space left on device (just kidding)\n" + text)
    assert found is not None and (found.name, found.meaning) == ("traceback", "shop.Closed: till nine")


def test_behind_a_failed_child_process_its_own_words_count() -> None:
    text = (
        "sort: write failed: No space left on device\nTraceback (most recent call last):\n  x\n"
        "subprocess.CalledProcessError: Command '['sort']' returned non-zero exit status 2.\n"
    )
    found = recognise(text)
    assert found is not None and found.name == "disk-full"


def record(status: int, rss_mb: int = 10, kind: str = "", message: str = "") -> dict[str, object]:
    kind = kind or ("signal" if status & 0x7F else "exit")
    error = {"kind": kind, "message": message or "task 'a' ended badly"}
    return {"ok": False, "error": error, "invocations": [{"status": status, "maxrss_kb": rss_mb * 1024}]}


def job(memory_mb: int = 0) -> PlannedJob:
    return compute("a", memory_mb=memory_mb)


@pytest.mark.parametrize(
    ("status", "rss_mb", "memory_mb", "machine_mb", "stderr", "name", "words"),
    [
        (
            9,
            950,
            1000,
            0,
            "",
            "memory",
            "out of memory: killed by SIGKILL at 950 MB, and it asked for 1.0 GB",
        ),
        (9, 7000, 0, 8000, "", "memory", "of 7.8 GB that the machine has for jobs"),
        (9, 10, 1000, 0, "", "memory", "killed by SIGKILL at 10.0 MB: by the system because memory ran out"),
        (137 << 8, 10, 0, 0, "x: line 1: 7 Killed", "memory", "most likely for lack of memory"),
        (137 << 8, 10, 0, 0, "", "memory", "as the system does when memory runs out (exit code 137)"),
        (11, 10, 0, 0, "", "signal", "it was ended by SIGSEGV (11)"),
        (139 << 8, 10, 0, 0, "", "exit", "crashed (SIGSEGV) (exit code 139)"),
        (127 << 8, 10, 0, 0, "", "exit", "a command it called was not found (exit code 127)"),
        (126 << 8, 10, 0, 0, "", "exit", "may not be executed (exit code 126)"),
        (3 << 8, 10, 0, 0, "bad\nworse\n", "exit", "exit code 3: worse"),
        (3 << 8, 10, 0, 0, "", "exit", "exit code 3, no output is recorded"),
    ],
)
def test_ends_are_described_in_words(
    status: int, rss_mb: int, memory_mb: int, machine_mb: int, stderr: str, name: str, words: str
) -> None:
    cause = cause_of(record(status, rss_mb), job(memory_mb), stderr, machine_mb=machine_mb)
    assert cause.name == name
    assert words in cause.title


def test_what_the_worker_knows_outranks_what_the_program_said() -> None:
    cause = cause_of(record(9, kind="timeout", message="ended after 60 s"), JOB, "No space left on device")
    assert (cause.kind, cause.name, cause.title) == ("timeout", "timeout", "ended after 60 s")
    assert "maxwalltime" in cause.remedy


def test_a_missing_output_is_explained_by_what_the_program_said() -> None:
    cause = cause_of(record(0, kind="missing-output", message="no 'x'"), JOB, "No space left on device")
    assert cause.title == "no 'x'; its output shows: the disk was full"


def test_a_record_without_a_reason_is_described_too() -> None:
    assert cause_of({"ok": False}, JOB).title == "the worker gave no reason"


def test_equal_failures_of_different_jobs_have_one_signature() -> None:
    causes = [
        cause_of(record(768), compute(name), f"cannot read /data/{name}/x of {number}")
        for name, number in (("a7", 12), ("b9", 1400))
    ]
    assert causes[0].signature("wc_a7") == causes[1].signature("wc_b9")
    modules = [
        cause_of(
            record(256),
            JOB,
            f"Traceback (most recent call last):\nModuleNotFoundError: No module named '{m}'",
        )
        for m in ("numpy", "scipy")
    ]
    assert modules[0].signature("a") != modules[1].signature("a")


def test_a_name_that_is_no_module_is_put_into_no_command() -> None:
    text = "Traceback (most recent call last):\nModuleNotFoundError: No module named 'x; rm -r ~'"

    assert "rm -r" not in cause_of(record(256), JOB, text).remedy
