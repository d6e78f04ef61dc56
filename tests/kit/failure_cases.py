"""Failures as a worker or a batch system records them, each with the rule that should be found: the corpus of `markab explain`.

The texts are those that the programs print. Of a case without a rule nothing is known: whatever is said of it must
not be certain.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kit.made_run import T0, began, compute, ended, gave_up, make_run, process, start
from markab.journal.records import AttemptEnd
from markab.transfers.error_kinds import ErrorKind


@dataclass(frozen=True)
class Case:
    """One failed attempt."""

    rule: str
    """Empty: no rule covers it."""
    record: dict[str, Any] = field(default_factory=dict)
    job: dict[str, Any] = field(default_factory=dict)


def printed(rule: str, stderr: str, code: int = 1, *, stdout: str = "", **record: Any) -> Case:
    """Return a case of a program that printed something and ended with an exit code."""
    streams = {"stderr": stderr} | ({"stdout": stdout} if stdout else {})
    error = {"kind": ErrorKind.EXIT, "message": f"task 't' ended with exit code {code}"}
    return Case(rule, {"error": error, "invocations": [process("t", code << 8)], **streams, **record})


def said(rule: str, kind: str, message: str, **record: Any) -> Case:
    """Return a case of which Markab or a batch system says what happened."""
    return Case(rule, {"error": {"kind": kind, "message": message}, **record})


def signalled(
    rule: str, name: str, number: int, peak_mb: int = 0, asked_mb: int = 0, stderr: str = ""
) -> Case:
    """Return a case of a process that was ended by a signal."""
    error = {"kind": ErrorKind.SIGNAL, "message": f"task 't' was ended by {name} ({number})"}
    ran = process("t", number, maxrss_kb=peak_mb * 1024)
    record = {"error": error, "invocations": [ran]} | ({"stderr": stderr} if stderr else {})
    return Case(rule, record, {"memory_mb": asked_mb})


def traceback(line: str) -> str:
    """Return a traceback of Python that ends with a line."""
    return f'Traceback (most recent call last):\n  File "/home/ada/fit.py", line 12, in <module>\n    main()\n{line}\n'


_URL = "'https://data.example.org/genomes/chr21.fa.gz'"
_PATHS = "'/data/in/f.in' (wanted at '/scratch/run0001/f.in')"

COVERED = [
    # planning of sub-workflows
    said("F01", ErrorKind.PLANNING, "inner.yml:21: file 'f.in' has no replica and no job makes it (needed by task 'a')"),
    said("F02", ErrorKind.PLANNING, "transformation 'align' has no executable in the catalog (needed by task 'a')"),
    said("F02", ErrorKind.PLANNING, "inner.yml:9: transformation 'align' cannot run at pool: it is installed at local (needed by task 'a')"),
    said("F02", ErrorKind.PLANNING, "transformation 'align' is in no catalog and not on PATH (needed by task 'a')"),
    said("F04", ErrorKind.PLANNING, "cyclic dependency detected: 'a' → 'b' → 'a'"),
    said("F05", ErrorKind.PLANNING, "inner.yml:30: file 'f.out' is made by two jobs, 'a' and 'b'"),
    said("F07", ErrorKind.PLANNING, "the pfn of 'f.in' uses the environment variable 'DATA', which is not set"),
    said("F09", ErrorKind.PLANNING, "inner.yml:44: a dependency names the job 'c', which does not exist"),
    # files and servers, as transfers report them
    said("F12", ErrorKind.REFUSED, f"{_PATHS} does not exist"),
    said("F12", ErrorKind.REFUSED, f"{_PATHS} is a dangling symbolic link to '/old/f.in'"),
    said("F12", ErrorKind.MISSING_INPUT, "input 'f.in' of job 'a' cannot be read at '/scratch/f.in': it does not exist"),
    said("F12", ErrorKind.REFUSED, f"{_PATHS} is a directory, not a file"),
    said("F13", ErrorKind.REFUSED, f"{_PATHS} may not be read"),
    said("F13", ErrorKind.REFUSED, "cannot write '/results/f.out' (from '/scratch/f.out'): permission denied"),
    said("F14", ErrorKind.REFUSED, f"{_URL}: the server answers 404 Not Found"),
    said("F14", ErrorKind.REFUSED, f"{_URL}: the server answers 410 Gone"),
    said("F15", ErrorKind.REFUSED, f"{_URL}: the server answers 401 Unauthorized"),
    said("F15", ErrorKind.REFUSED, f"{_URL}: the server answers 403 Forbidden"),
    said("F16", ErrorKind.REFUSED, "s3://b/k: ExpiredToken: The provided token has expired"),
    said("F17", ErrorKind.REFUSED, "s3://b/k: RequestTimeTooSkewed: the difference is too large"),
    said("F18", ErrorKind.TRANSFER, f"{_URL}: the server answers 429 Too Many Requests"),
    said("F18", ErrorKind.TRANSFER, f"{_URL}: the server answers 503 Service Unavailable"),
    said("F19", ErrorKind.TRANSFER, f"{_URL}: Connection refused"),
    said("F19", ErrorKind.TRANSFER, f"{_URL}: no answer in time"),
    said("F19", ErrorKind.TRANSFER, f"{_URL}: the server broke off (RemoteDisconnected)"),
    said("F20", ErrorKind.TRANSFER, f"{_URL}: the host 'data.example.org' is not known (Name or service not known)"),
    said("F21", ErrorKind.REFUSED, f"{_URL}: the server's certificate is not trusted"),
    said("F24", ErrorKind.TRANSFER, f"{_URL}: the connection was cut after 3 of 10 bytes"),
    said("F25", ErrorKind.CHECKSUM, "input 'f.in' of job 'a' is not what was recorded: '/scratch/f.in' is not the file"),
    said("F28", ErrorKind.STORAGE, "cannot write '/scratch/f' (from '/data/f'): No space left on device"),
    said("F28", ErrorKind.STORAGE, "there is no room in '/scratch/.work/a.1' any more: No space left on device"),
    said("F29", ErrorKind.STORAGE, "cannot write '/home/f' (from '/data/f'): Disk quota exceeded"),
    said("F30", ErrorKind.REFUSED, "cannot write '/ro/f' (from '/data/f'): its file system is read-only"),
    said("F30", ErrorKind.TRANSFER, f"{_PATHS} cannot be read: Input/output error"),
    said("F30", ErrorKind.TRANSFER, f"{_PATHS} cannot be read: Stale file handle"),
    # starting
    said("F32", ErrorKind.NO_PROGRAM, "program '/opt/align' of task 'a' does not exist"),
    said("F32", ErrorKind.NO_PROGRAM, "the program of task 'a' is not in container 'img': exec: \"align\": not found"),
    said("F33", ErrorKind.NOT_EXECUTABLE, "program '/opt/align' of task 'a' is not executable"),
    said("F33", ErrorKind.NOT_EXECUTABLE, "program '/opt' of task 'a' is a directory"),
    said("F34", ErrorKind.NOT_EXECUTABLE, "program 'x' of task 'a' is neither a binary for this machine nor a script"),
    said("F35", ErrorKind.NO_PROGRAM, "the interpreter '/usr/bin/python9' in the first line of 'x' (task 'a') does not exist"),
    said("F36", ErrorKind.NO_PROGRAM, "the loader of program 'x' (task 'a') is not on this machine"),
    said("F37", ErrorKind.REFUSED, "no program apptainer or singularity is on PATH, which starts containers"),
    said("F38", ErrorKind.REFUSED, "image 'docker://ubuntu:99' was not pulled: manifest unknown"),
    said("F38", ErrorKind.CONTAINER, "container 'img' of task 'a' was not started: No such image: ubuntu:99"),
    said("F39", ErrorKind.TRANSFER, "the registry limits how often it is asked: image 'docker://x' was not pulled: toomanyrequests"),
    said("F40", ErrorKind.REFUSED, "image 'docker://lab/private' was not pulled: unauthorized: authentication required"),
    said("F40", ErrorKind.CONTAINER, "AWS Batch reports FAILED: CannotPullContainerError: pull access denied for lab/private"),
    said("F38", ErrorKind.HELD, "held by its site: ErrImagePull: failed to pull and unpack image \"x:9\": manifest unknown"),
    said("F41", ErrorKind.CONTAINER, "container 'i' of task 'a' was not started: image format not recognized"),
    said("F42", ErrorKind.CONTAINER, "container 'i' of task 'a' was not started: statfs /data/x: no such file or directory"),
    said("F43", ErrorKind.ENVIRONMENT, "the modules 'gcc/99' cannot be loaded: Unable to locate a modulefile for 'gcc/99'"),
    said("F45", ErrorKind.ENVIRONMENT, "the software environment 'fit' cannot be made: this machine has no conda"),
    said("F28", ErrorKind.ENVIRONMENT, "the software environment 'fit' cannot be made in '/c': No space left on device"),
    # ends of attempts
    said("F52", ErrorKind.MEMORY, "task 't' was killed by the system, because memory ran out", invocations=[process("t", 9)]),
    said("F52", ErrorKind.MEMORY, "Slurm reports OUT_OF_MEMORY 0:125 on n7, and the worker left no record"),
    signalled("F52", "SIGKILL", 9, peak_mb=980, asked_mb=1000),
    signalled("F54", "SIGSEGV", 11),
    signalled("F55", "SIGABRT", 6),
    signalled("F55", "SIGBUS", 7),
    signalled("F55", "SIGILL", 4),
    signalled("F55", "SIGFPE", 8),
    signalled("F64", "SIGPIPE", 13),
    said("F56", ErrorKind.TIMEOUT, "task 't' was ended after 60 s, the wall time it is given", invocations=[process("t", 15)]),
    said("F56", ErrorKind.TIMEOUT, "Slurm reports TIMEOUT on n7, and the worker left no record"),
    said("F63", ErrorKind.STORAGE, "held by HTCondor: disk usage exceeded request_disk"),
    said("F65", ErrorKind.LOST, "Slurm reports PREEMPTED on n7, and the worker left no record"),
    said("F65", ErrorKind.CANCELLED, "Slurm reports CANCELLED by 1000, and the worker left no record"),
    said("F65", ErrorKind.CANCELLED, "task 't' was cancelled"),
    said("F68", ErrorKind.MISSING_OUTPUT, "output 'f.out' of job 'a' is missing"),
    said("F68", ErrorKind.MISSING_OUTPUT, "output 'f.out' of job 'a' is a directory, not a file"),
    said("F71", ErrorKind.MISSING_OUTPUT, "output 'o' of job 'a' is reached through a symbolic link out of the job's directory: it is '/x'"),
    said("F70", ErrorKind.FAILURE_MESSAGE, "job 'a' printed the failure message 'FATAL'"),
    said("F70", ErrorKind.SUCCESS_MESSAGE, "job 'a' did not print the success message 'all done'"),
    said("F87", ErrorKind.INPUT_CHANGED, "job 'a' changed its input 'f.in', which other jobs may read, at '/scratch/f.in'"),
    said("F88", ErrorKind.PRE_SCRIPT, "the script before the tasks ended with exit code 3"),
    said("F89", ErrorKind.ARGUMENTS, "the arguments of task 'a' cannot be split: No closing quotation"),
    # pools and batch systems
    said("F73", ErrorKind.HELD, "no slot fits: Requirements never true, 64 cores asked for and 48 the largest"),
    said("F74", ErrorKind.HELD, "START refuses the owner: RemoteOwner == \"ada\" is false"),
    said("F75", ErrorKind.REFUSED, "Slurm refused the job: Invalid account or account/partition combination specified"),
    said("F75", ErrorKind.REFUSED, "Slurm refused the job: sbatch: error: Batch job submission failed: Invalid qos specification"),
    said("F76", ErrorKind.HELD, "held by its site: via condor_hold (by user ada)"),
    said("F77", ErrorKind.REFUSED, "the pool refuses the IDTOKEN: lacks authority ADVERTISE_STARTD"),
    said("F78", ErrorKind.LOST, "Slurm reports NODE_FAIL on n7, and the worker left no record"),
    said("F78", ErrorKind.LOST, "Slurm does not know it any more, and no record came"),
    said("F79", ErrorKind.HELD, "pilot 4711 was started and has not joined the pool: its token was refused"),
    said("F80", ErrorKind.HELD, "the pilots are gone: annex 'a1' expired at its idle limit"),
    said("F81", ErrorKind.LOST, "the batch system does not answer: squeue timed out"),
    said("F83", ErrorKind.INTERNAL, "the worker does not run jobs of kind 'x'"),
    said("F83", ErrorKind.LOST, "the engine was killed while it ran"),
    said("F85", ErrorKind.SUB_WORKFLOW, "3 jobs of the sub-workflow failed"),
    # what programs print
    printed("F35", "/usr/bin/env: ‘python3\\r’: No such file or directory", 127),
    printed("F35", "/usr/bin/env: ‘Rscript’: No such file or directory", 127),
    printed("F35", "sh: ./fit.py: /usr/bin/python2: bad interpreter: No such file or directory", 126),
    printed("F32", "./run.sh: line 3: samtools: command not found", 127),
    printed("F32", "/bin/sh: 1: bwa: not found", 127),
    printed("F33", "sh: 1: ./model: Permission denied", 126),
    printed("F33", "./run.sh: line 4: ./align: Permission denied", 126),
    printed("F34", "./x: cannot execute binary file: Exec format error", 126),
    printed("F36", "./x: error while loading shared libraries: libgsl.so.25: cannot open shared object file: No such file or directory", 127),
    printed("F36", "./x: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by ./x)"),
    printed("F36", "./x: /lib/libstdc++.so.6: version `GLIBCXX_3.4.32' not found (required by ./x)"),
    printed("F37", "./run.sh: line 2: apptainer: command not found", 127),
    printed("F38", "Error: initializing source docker://nobody/none:latest: reading manifest latest: manifest unknown", 125),
    printed("F39", "Error response from daemon: toomanyrequests: You have reached your pull rate limit.", 125),
    printed("F41", "FATAL: container creation failed: mount hook function failure: failed to mount squashfs filesystem", 255),
    printed("F42", "FATAL: container creation failed: mount /x->/y error: while mounting: mount point does not exist", 255),
    printed("F43", "./job.sh: line 3: module: command not found\n./job.sh: line 4: gcc: command not found", 127),
    printed("F43", "ModuleCmd_Load.c(213):ERROR:105: Unable to locate a modulefile for 'gcc/12'"),
    printed("F43", 'Lmod has detected the following error: The following module(s) are unknown: "gcc/12"'),
    printed("F44", traceback("RuntimeError: Found no NVIDIA driver on your system.")),
    printed("F44", "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", 9),
    printed("F44", traceback("ImportError: libcuda.so.1: cannot open shared object file: No such file or directory")),
    printed("F45", "EnvironmentLocationNotFound: Not a conda environment: /opt/envs/fit"),
    printed("F45", "./job.sh: line 2: /home/ada/venv/bin/activate: No such file or directory"),
    printed("F46", traceback("ModuleNotFoundError: No module named 'pandas'")),
    printed("F46", traceback("ImportError: cannot import name 'Self' from 'typing' (/usr/lib/python3.9/typing.py)")),
    printed("F46", "Error in library(DESeq2) : there is no package called ‘DESeq2’\nExecution halted"),
    printed("F46", "Can't locate Bio/Seq.pm in @INC (you may need to install the Bio::Seq module)", 2),
    printed("F46", "ERROR: LoadError: ArgumentError: Package Plots not found in current path."),
    printed("F47", traceback("FileNotFoundError: [Errno 2] No such file or directory: 'params.json'")),
    printed("F47", "cat: chr21.fa: No such file or directory"),
    printed("F47", "Exception in thread \"main\" java.io.FileNotFoundException: in.vcf (No such file or directory)"),
    printed("F48", "usage: fit [-h] [--degree DEGREE]\nfit: error: unrecognized arguments: --order 2", 2),
    printed("F48", "usage: fit [-h] x\nfit: error: the following arguments are required: x", 2),
    printed("F48", "sort: invalid option -- 'y'\nTry 'sort --help' for more information.", 2),
    printed("F48", "Usage: tool [OPTIONS]\nError: No such option: --sise", 2),
    printed("F49", traceback("KeyError: 'station'")),
    printed("F49", traceback("ValueError: could not convert string to float: 'n/a'")),
    printed("F49", traceback("ZeroDivisionError: division by zero")),
    printed("F50", "Error in eval(expr) : object 'temprature' not found\nExecution halted"),
    printed("F50", 'Exception in thread "main" java.lang.NullPointerException\n\tat Main.main(Main.java:5)'),
    printed("F50", "Undefined function or variable 'fitt'.", 1),
    printed("F50", "ERROR: LoadError: UndefVarError: x not defined"),
    printed("F51", traceback("numpy.core._exceptions._ArrayMemoryError: Unable to allocate 74.5 GiB for an array")),
    printed("F51", traceback("MemoryError")),
    printed("F51", "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc", 134),
    printed("F51", 'Exception in thread "main" java.lang.OutOfMemoryError: Java heap space'),
    printed("F51", "Error: cannot allocate vector of size 3.7 Gb\nExecution halted"),
    printed("F52", "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=77.batch. Some of your processes may have been killed", 137),
    printed("F52", "./run.sh: line 3: 4711 Killed                  ./model", 137),
    printed("F56", "slurmstepd: error: *** JOB 77 ON n7 CANCELLED AT 2026-11-20T21:00:00 DUE TO TIME LIMIT ***", 143),
    printed("F56", "=>> PBS: job killed: walltime 3612 exceeded limit 3600", 143),
    printed("F65", "slurmstepd: error: *** JOB 77 ON n7 CANCELLED AT 2026-11-20T21:00:00 DUE TO PREEMPTION ***", 143),
    printed("F54", "run.sh: line 4: 77 Segmentation fault      (core dumped) ./model", 139),
    printed("F54", "", 139),
    printed("F55", "double free or corruption (!prev)\nAborted (core dumped)", 134),
    printed("F55", "run.sh: line 2: 88 Illegal instruction     (core dumped) ./model", 132),
    printed("F58", traceback("torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB")),
    printed("F58", traceback("RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")),
    printed("F59", traceback("RuntimeError: CUDA error: unspecified launch failure")),
    printed("F60", "MPI_ABORT was invoked on rank 3 in communicator MPI_COMM_WORLD\nwith errorcode 1."),
    printed("F60", traceback("torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:1970, ncclSystemError")),
    printed("F61", "License checkout failed.\nLicense Manager Error -4\nMaximum number of users for MATLAB reached."),
    printed("F61", "ERROR: No valid license found for GAMS", 7),
    printed("F62", traceback("OSError: [Errno 24] Too many open files: 'part-1021.csv'")),
    printed("F62", "./run.sh: fork: retry: Resource temporarily unavailable", 254),
    printed("F62", traceback("RuntimeError: can't start new thread")),
    printed("F64", "sort: write failed: 'standard output': Broken pipe\nsort: write error", 2),
    printed("F64", traceback("BrokenPipeError: [Errno 32] Broken pipe")),
    printed("F66", traceback("numpy.linalg.LinAlgError: Singular matrix")),
    printed("F66", "iteration 1000: residual 1e-2\nERROR: the solver did not converge", 3),
    printed("F66", "step 200 loss: nan\nstopping", 4),
    printed("F67", traceback("OSError: [Errno 98] Address already in use")),
    printed("F67", traceback("sqlite3.OperationalError: database is locked")),
    printed("F69", "gzip: reads.fq.gz: unexpected end of file", 1),
    printed("F69", traceback("OSError: Unable to open file (file signature not found)")),
    printed("F69", "tar: Unexpected EOF in archive\ntar: Error is not recoverable: exiting now", 2),
    printed("F69", traceback("zipfile.BadZipFile: File is not a zip file")),
    printed("F31", traceback("json.decoder.JSONDecodeError: Unexpected token '<'")),
    printed("F28", traceback("OSError: [Errno 28] No space left on device: 'x.npy'")),
    printed("F29", "cp: error writing 'x': Disk quota exceeded"),
    printed("F30", "cp: cannot create regular file '/opt/x': Read-only file system"),
    printed("F13", traceback("PermissionError: [Errno 13] Permission denied: '/data/x'")),
    printed("F14", "curl: (22) The requested URL returned error: 404", 22),
    printed("F14", traceback("urllib.error.HTTPError: HTTP Error 404: Not Found")),
    printed("F14", "2026-11-20 21:00:00 ERROR 404: Not Found.", 8),
    printed("F14", "An error occurred (NoSuchKey) when calling the GetObject operation: The specified key does not exist."),
    printed("F15", "curl: (22) The requested URL returned error: 403", 22),
    printed("F15", "An error occurred (AccessDenied) when calling the GetObject operation: Access Denied"),
    printed("F16", "An error occurred (ExpiredToken) when calling the PutObject operation: The provided token has expired."),
    printed("F16", "globus-url-copy: error: The proxy credential: /tmp/x509up_u1000 with subject: /CN=ada expired 3 hours ago."),
    printed("F17", "An error occurred (RequestTimeTooSkewed) when calling the PutObject operation"),
    printed("F18", traceback("urllib.error.HTTPError: HTTP Error 429: Too Many Requests")),
    printed("F19", "curl: (7) Failed to connect to data.example port 443: Connection refused", 7),
    printed("F19", "ssh: connect to host data.example port 22: No route to host", 255),
    printed("F20", "curl: (6) Could not resolve host: data.example", 6),
    printed("F20", "ping: data.example: Name or service not known", 2),
    printed("F21", "curl: (60) SSL certificate problem: unable to get local issuer certificate", 60),
    printed("F21", traceback("ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")),
    printed("F22", "Host key verification failed.\nlost connection", 255),
    printed("F23", "ada@data.example: Permission denied (publickey,password).", 255),
    printed("F25", "md5sum: WARNING: 1 computed checksum did NOT match", 1),
]  # fmt: skip

UNCOVERED = [
    printed("", "", 1),
    printed("", "", 3),
    printed("", "", 255),
    printed("", "measure: there is no station 5", 3),
    printed("", "done\nall is well", 1),
    printed("", "warning: 12 of 400 reads were dropped\nno reads left", 4),
    printed("", "E: genome build mismatch: hg19 against hg38", 1),
    printed("", "assertion failed: energy < 0", 1),
    printed("", "the input has 3 columns, 4 wanted", 1),
    printed("", "error: unknown chromosome 'chrUn_7'", 1),
    printed("", "Unerwartetes Ende der Messreihe", 5),
    printed("", "エラー: 入力が不正です", 1),
    printed("", "fatal: reference index is older than the reference", 1),
    printed("", "simulation diverged at step 812", 2),
    printed("", "found 0 peaks", 1),
    printed("", "check your configuration", 78),
    printed("", "aborting: too few samples", 1),
    printed("", "phase 2 of 3", 17),
    printed("", "\x00\x01\x02", 1),
    printed("", "." * 5000, 1),
    printed("", "INFO killed two birds\nINFO memory of the past is fine", 1),
    printed("", "quota of reads reached: 40 of 40\nstopping early", 6),
    printed("", "timeout of the sensor: 3 values dropped", 9),
    printed("", "the licence plate could not be read", 1),
    printed("", "image 12 of 20 is blurred", 1),
    printed("", "no module of the detector answered", 1),
    printed("", "connection between genes not significant", 1),
    printed("", "the certificate of analysis is missing a page", 1),
    printed("", "segment 4 at fault", 1),
    printed("", "calibration refused by operator", 1),
    printed("", "argument of the sine is large", 1),
    printed("", "scale: nothing to weigh", 11),
    printed("", "model: 404 samples, 503 features", 1),
    printed("", "port side engine failed", 1),
    printed("", "mount the sample and try again", 1),
    printed("", "pipe 7 is broken", 1),
    printed("", "environment: humidity out of range", 1),
    printed("", "command 12 from the robot rejected", 1),
    printed("", "tokens per sentence: 0", 1),
    printed("", "bus 42 was late", 1),
    printed("", "", 40, stdout="nothing found"),
    printed("", "core temperature: nan K", 1),
    signalled("", "SIGKILL", 9),
    signalled("", "SIGTERM", 15),
    signalled("", "SIGUSR1", 10),
    said("", ErrorKind.CONTAINER, "container 'i' of task 'a' was not started: something new"),
    said("", ErrorKind.TRANSFER, "gopher hole 'x' is closed"),
    said("", "a-new-kind", "something else went wrong"),
]  # fmt: skip


def make_corpus(directory: Path, cases: list[Case]) -> Path:
    """Write a run in which each case is a job of its own: `wc_case7` is number 7."""
    jobs = [
        compute(f"case{n}", transformation=f"program{n}", task={}, **case.job) for n, case in enumerate(cases)
    ]
    entries: list[Any] = [began(cores=8, memory_mb=64_000)]
    for number, case in enumerate(cases):
        record = {"ok": False, "start": T0 + 1, "end": T0 + 2, "host": "here"} | case.record
        entries += [start(number), AttemptEnd(T0 + 2, number, 1, record), gave_up(number)]
    return make_run(directory, jobs, [*entries, ended("failed")])
