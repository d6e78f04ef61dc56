"""The table of known error messages of programs, with their rules, meanings and remedies.

A row is a rule of `failure_rules.py`, a regular expression, its meaning (`{0}` is the first group), and a
remedy, in which RUN and JOB stand for the run and the job. The first row that is found in the last lines of a stream counts, so
special rows come before general ones. What a program prints is never more than likely to be the cause.
"""

from __future__ import annotations

import re
from typing import NamedTuple

LINES_SEARCHED = 60
"""Number of lines at the end of a stream."""
BYTES_SEARCHED = 1 << 16
LINE_CHARACTERS = 2000


class Row(NamedTuple):
    """A known message."""

    name: str
    """A short fixed word for programs."""
    rule: str
    regex: re.Pattern[str]
    needles: tuple[str, ...]
    """Texts in lower case: no line matches that has none of them. Looking for them is much faster."""
    meaning: str
    remedy: str


class Recognised(NamedTuple):
    """A row that was found in a stream."""

    name: str
    rule: str
    meaning: str
    remedy: str
    line: str
    """The line with the message."""
    number: int
    """Of that line in the text, from 1."""


def _row(name: str, rule: str, needles: str, regex: str, meaning: str, remedy: str) -> Row:
    return Row(name, rule, re.compile(regex), tuple(needles.lower().split("|")), meaning, remedy)


_MEMORY = "ask for more with the profile pegasus.memory, or give it less to do at once"
_COMMAND = "install it at the site, name its directory in PATH (profile env), or put it into the container"
_AGAIN = "`markab run RUN` then continues"
_DECLARE = "declare it as an input of the job; the job sees only files that are declared, and installed ones"
_DEBUG = "this is an error in the program; `markab analyze RUN --debug-job JOB` runs it again by hand, for a debugger"

CARRIAGE_RETURN = "carriage-return"
CARRIAGE_RETURNS_MEANING = "lines of the program end with a carriage return, as Windows writes them"
TRACEBACK = "traceback"
_TRACEBACK_RULE = "F49"

TABLE = (
    _row(
        CARRIAGE_RETURN,
        "F35",
        "\\r|^m: bad|\r|illegal option -",
        # env and bash print them as \\r, bash also as ^M, others as they are
        r"\\r['’]+: No such file|\$'[^']*\\r'|\^M: bad interpreter|[:\w]\r['’]?: (?:No such file|not found)|: \r: not found"
        r"|[Ii]llegal option -$",
        CARRIAGE_RETURNS_MEANING,
        r"remove them: sed -i 's/\r$//' FILE",
    ),
    _row(
        "no-interpreter",
        "F35",
        "bad interpreter|no such file or directory",
        r"(?:^|: )(\S+): bad interpreter|(?:^|/)env: [‘'\"]?([\w.+-]+)[’'\"]?: No such file or directory",
        "the interpreter '{0}' in the first line of a script is not there",
        "correct the #! line of the script, or install the interpreter where the job runs",
    ),
    _row(
        "no-module-command",
        "F43",
        "module: |modulefile|module(s)",
        r"(?:^|: )module: (?:command )?not found|Unable to locate a modulefile for '([^']+)'"
        r"|[Tt]he following module\(s\) (?:are unknown|cannot be loaded)[^\"]*\"?([\w./+-]*)",
        "an environment module cannot be loaded: {line}",
        "`module avail` lists those of a machine; name them with the profile `markab.modules`, which needs no login shell",
    ),
    _row(
        "missing-module",
        "F46",
        "modulenotfounderror",
        r"ModuleNotFoundError: No module named '([\w.]+)'",
        "the Python module '{0}' is not installed where the job runs",
        "if it is a file of yours, declare it as an input; else install it for the Python that runs there"
        " (`python -m pip install {0}`), or put it into the container",
    ),
    _row(
        "missing-module",
        "F46",
        "there is no package called",
        r"there is no package called .(\w[\w.]*)",
        "the R package '{0}' is not installed where the job runs",
        """install it there (`Rscript -e "install.packages('{0}')"`), or put it into the container""",
    ),
    _row(
        "missing-module",
        "F46",
        "not found in current path",
        r"Package (\w+) not found in current path",
        "the Julia package '{0}' is not installed where the job runs",
        """install it there (`julia -e 'using Pkg; Pkg.add("{0}")'`), or put it into the container""",
    ),
    _row(
        "missing-module",
        "F46",
        "in @inc",
        r"Can't locate (\S+?)(?:\.pm)? in @INC",
        "the Perl module '{0}' is not installed where the job runs",
        "install it there (`cpan {0}`), or put it into the container",
    ),
    _row(
        "other-version",
        "F46",
        "cannot import name",
        r"ImportError: cannot import name '(\w+)' from '([\w.]+)'",
        "a Python module has no '{0}': it is another version than the program was written for",
        "install the version that the program needs, or put it into the container",
    ),
    _row(
        "no-gpu",
        "F44",
        "cuda|nvidia|nvml",
        r"no CUDA-capable device is detected|Found no NVIDIA driver|CUDA_ERROR_NO_DEVICE|[Ff]ailed to initialize NVML"
        r"|libcuda\.so\.1: cannot open shared object|CUDA driver version is insufficient|NVIDIA-SMI has failed",
        "it found no GPU",
        "ask for one with the profile pegasus.gpus, and run it at a site that has some",
    ),
    _row(
        "missing-library",
        "F36",
        "cannot open shared object",
        r"(?:error while loading shared libraries: |ImportError: |^|\s)(\S+\.so[\w.]*): cannot open shared object",
        "the shared library '{0}' is not on the machine that ran the job",
        "install the package that has it, load its module, or set LD_LIBRARY_PATH with the profile env",
    ),
    _row(
        "old-system",
        "F36",
        "version `glibc",
        r"version `(GLIBC\w*_[\d.]+)' not found",
        "the program was made for a newer system: it needs {0}",
        "compile it on a machine like that of the site, or use a container",
    ),
    _row(
        "gpu-memory",
        "F58",
        "cuda|cublas|outofmemoryerror",
        r"(?i)CUDA(?: error)?:? out of memory|torch\.(?:cuda\.)?OutOfMemoryError|CUDA_ERROR_OUT_OF_MEMORY"
        r"|CUBLAS_STATUS_ALLOC_FAILED",
        "the memory of the GPU is used up",
        "make batches smaller, or request the GPU for this job alone (profile pegasus.gpus)",
    ),
    _row(
        "gpu-fault",
        "F59",
        "xid|launch failure|ecc error|illegal memory access",
        r"NVRM: Xid|unspecified launch failure|[Uu]ncorrectable ECC error|CUDA error: an illegal memory access",
        "the GPU reported a fault",
        f"let it run on another machine; {_AGAIN}",
    ),
    _row(
        "memory",
        "F51",
        "outofmemoryerror",
        r"java\.lang\.OutOfMemoryError: ?(.*)",
        "Java ran out of memory: {0}",
        "raise -Xmx, and the profile pegasus.memory with it",
    ),
    _row(
        "memory",
        "F52",
        "oom|out of memory|memory limit",
        r"oom[-_]kill|Memory cgroup out of memory|[Ee]xceeded (?:job|step) memory limit|OUT_OF_MEMORY",
        "the system killed it, because memory ran out",
        _MEMORY,
    ),
    _row(
        "memory",
        "F51",
        "memoryerror|bad_alloc|allocate|out of memory",
        r"(?:^|[\s.])(?:\w+\.)*_?(?:Array)?MemoryError\b|std::bad_alloc|[Cc]annot allocate memory"
        r"|[Oo]ut of memory|cannot allocate vector of size|Unable to allocate [\d.]+ [KMGT]i?B",
        "it ran out of memory",
        _MEMORY,
    ),
    _row(
        "time-limit",
        "F56",
        "time limit|walltime|runlimit",
        r"CANCELLED AT \S+ DUE TO TIME LIMIT|job killed: walltime|TERM_RUNLIMIT",
        "the batch system ended it at its time limit",
        "raise the profile pegasus.maxwalltime, or pegasus.runtime where the site takes the limit from it",
    ),
    _row(
        "cancelled",
        "F65",
        "cancelled at",
        r"CANCELLED AT \S+( DUE TO [A-Z ]+)?",
        "the batch system ended it{0}",
        _AGAIN.replace("then ", ""),
    ),
    _row(
        "disk-full",
        "F28",
        "no space left on device|disk full",
        r"No space left on device|\b[Dd]isk full\b",
        "the disk was full",
        f"free some space, or name a scratch directory on another disk; {_AGAIN}",
    ),
    _row(
        "quota",
        "F29",
        "quota exceeded",
        r"[Dd]isk quota exceeded|[Qq]uota exceeded",
        "a disk quota was used up",
        f"remove files, or name a scratch directory elsewhere; {_AGAIN}",
    ),
    _row(
        "storage",
        "F30",
        "stale file handle|read-only file system|input/output error|endpoint is not connected",
        r"Stale file handle|Read-only file system|Input/output error|Transport endpoint is not connected",
        "a file system is faulty or read-only: {line}",
        f"let it run on another machine, or name another directory; {_AGAIN}",
    ),
    _row(
        "registry-limit",
        "F39",
        "toomanyrequests|pull rate limit",
        r"toomanyrequests|reached your (?:unauthenticated )?pull rate limit",
        "the registry of container images limits how often it is asked",
        "log in to it, or pull the image once and give it as a file",
    ),
    _row(
        "registry-login",
        "F40",
        "unauthorized: |pull access denied|resource is denied",
        r"unauthorized: authentication required|pull access denied|access to the resource is denied",
        "the registry of container images refuses access",
        "log in to it (docker login, podman login), or correct the name of the image",
    ),
    _row(
        "no-image",
        "F38",
        "manifest|no such image|image not known|could not open image",
        r"manifest unknown|manifest for \S+ not found|[Nn]o such image|image not known|could not open image \S+: .*no such file",
        "the container image is not there",
        "correct `image` in the transformation catalog",
    ),
    _row(
        "bad-image",
        "F41",
        "squashfs|image format|sif",
        r"[Ii]mage format not recognized|SQUASHFS superblock|failed to mount squashfs|not a valid SIF|unknown image format",
        "the container image is damaged, or is no image",
        "look at its size; build it again, or fetch it again",
    ),
    _row(
        "mount",
        "F42",
        "mount|bind",
        r"mount point does not exist|[Mm]ount source \S+ doesn't exist|destination \S+ doesn't exist in container"
        r"|bind source path does not exist|unable to add \S+ to mount list|error mounting \S+",
        "a directory cannot be mounted in the container: {line}",
        "correct `mounts` of the container in the transformation catalog",
    ),
    _row(
        "container-program",
        "F37",
        "not found",
        r"(?:^|: )(apptainer|singularity|podman|docker|shifter): (?:command )?not found",
        "the program '{0}', which starts containers, is not on the machine that ran the job",
        "install it there, or run the job at a site that has it",
    ),
    _row(
        "environment",
        "F45",
        "conda|environment|bin/activate|pixi",
        r"EnvironmentLocationNotFound|EnvironmentNameNotFound|Could not find conda environment|Run 'conda init'"
        r"|/bin/activate: No such file|pixi: .*environment .* (?:not found|unknown)|unknown environment '",
        "its software environment is not there: {line}",
        "make the environment where the job runs, or let Markab make it from its file (profile `markab.environment`)",
    ),
    _row(
        "licence",
        "F61",
        "licen|flexnet|flexlm",
        r"[Ll]icen[sc]e checkout failed|[Nn]o valid [Ll]icen[sc]e|FLEXlm error|FlexNet [Ll]icensing error"
        r"|License Manager Error|[Ll]icensed number of users already reached|[Cc]annot connect to (?:the )?licen[sc]e server",
        "it got no licence: {line}",
        f"limit how many run at once (profile dagman.category), or wait; {_AGAIN}",
    ),
    _row(
        "wrong-argument",
        "F48",
        "argument|option|no such|operand|invalid|flag|switch",
        r"(?:unrecognized|invalid|unknown|illegal|ambiguous) (?:arguments?|options?)\b|no such option|[Nn]o such option:"
        r"|the following arguments are required|expected (?:one|at least one) argument|invalid choice:"
        r"|invalid (?:int|float) value|[Mm]issing (?:required )?(?:option|argument|operand)"
        r"|requires an argument|[Uu]nknown (?:flag|switch|option)|[Uu]nrecognized option",
        "the program does not understand its arguments",
        "compare the command with the help text of the program; correct add_args of the job",
    ),
    _row(
        "clock",
        "F17",
        "skewed|not yet valid|immaturesignature|clock skew",
        r"RequestTimeTooSkewed|[Tt]oken is not yet valid|ImmatureSignature|[Cc]lock skew",
        "the clock of the machine differs from that of a server",
        "compare them (`date -u`, `timedatectl`) and set the clock",
    ),
    _row(
        "expired",
        "F16",
        "expired",
        r"ExpiredToken|(?i:\b(?:token|credentials?|proxy|signature)\b.{0,100}\bexpired\b)",
        "a credential has expired: {line}",
        f"renew it; {_AGAIN}",
    ),
    _row(
        "certificate",
        "F21",
        "certificate",
        r"(?i)certificate.verify.failed|SSL certificate problem|certificate has expired|self.signed certificate"
        r"|certificate is not valid for|certificate: unable to get local issuer",
        "the certificate of a server is not trusted",
        "compare the clock, and set SSL_CERT_FILE to the certificates of its authority (profile env)",
    ),
    _row(
        "host-key",
        "F22",
        "host key verification|host identification has changed",
        r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED",
        "the host key of a server is not known to ssh, or has changed",
        "ask its administrator for the fingerprint, and compare it with `ssh-keyscan HOST | ssh-keygen -lf -`",
    ),
    _row(
        "ssh-login",
        "F23",
        "permission denied (",
        r"Permission denied \((?:publickey|password|gssapi|keyboard)",
        "a server refused the login by ssh",
        "try it by hand where the job runs: ssh -v HOST true",
    ),
    _row(
        "not-found",
        "F14",
        "404|410|nosuch|550|key does not exist",
        r"(?i:\b(?:HTTP|error|status|returned)\b[^\n]{0,40}\b(?:404|410)\b)|\b404 Not Found|\b410 Gone|NoSuchKey|NoSuchBucket"
        r"|^550 |The specified key does not exist",
        "what it wanted to fetch is not at its URL: {line}",
        "correct the URL",
    ),
    _row(
        "refused",
        "F15",
        "401|403|accessdenied|signaturedoesnotmatch|invalidaccesskey|forbidden|unauthorized",
        r"(?i:\b(?:HTTP|error|status|returned)\b[^\n]{0,40}\b(?:401|403)\b)|\b403 Forbidden|\b401 Unauthorized|AccessDenied"
        r"|SignatureDoesNotMatch|InvalidAccessKeyId",
        "a server refused access: {line}",
        "give the job the credential, or correct it",
    ),
    _row(
        "throttled",
        "F18",
        "429|503|slowdown|slow down|too many requests|rate limit",
        r"(?i:\b(?:HTTP|error|status|returned)\b[^\n]{0,40}\b(?:429|503)\b)|Too Many Requests|\bSlowDown\b|[Rr]ate limit exceeded"
        r"|503 Service Unavailable",
        "a server is overloaded, or limits requests: {line}",
        f"let fewer of them run at once (profile dagman.category); {_AGAIN}",
    ),
    _row(
        "service",
        "F67",
        "address already in use|database is locked|port |localhost|127.0.0.1",
        r"[Aa]ddress already in use|database is locked|[Pp]ort \d+ is already (?:in use|allocated)"
        r"|(?:localhost|127\.0\.0\.1)\b.*[Cc]onnection refused|[Cc]onnection refused.*(?:localhost|127\.0\.0\.1)",
        "a service inside the job is not usable: {line}",
        "let it take a free port and a file of its own, and wait until the service is ready",
    ),
    _row(
        "network",
        "F20",
        "resolve host|not known|name resolution|getaddrinfo",
        r"(?i)could not resolve host|name or service not known|temporary failure in name resolution|getaddrinfo failed",
        "a host name could not be found",
        "check the name, and that the site reaches the network",
    ),
    _row(
        "mpi",
        "F60",
        "mpi|pmix|nccl|orte",
        r"MPI_A(?:BORT|bort) was invoked|MPI_ABORT|\bPMIX? ERROR|NCCL (?:error|WARN)|nccl(?:Internal|System|UnhandledCuda)Error"
        r"|mpirun (?:noticed|detected) that|ORTE has lost communication",
        "a process of an MPI or NCCL job failed: {line}",
        "the first rank that failed has the cause: read its output above",
    ),
    _row(
        "network",
        "F19",
        "connection |network is unreachable|no route to host",
        r"(?i)connection (?:refused|reset|timed out|aborted)|network is unreachable|no route to host",
        "a server could not be reached",
        f"check that it runs and that the site reaches it; {_AGAIN}",
    ),
    _row(
        "checksum",
        "F25",
        "checksum|md5|sha256",
        r"(?i)checksum (?:mismatch|does not match|did not match|failed)|(?:md5|sha256)(?:sum)?\b.{0,20}(?:mismatch|did not match)",
        "a file does not have the checksum that the program expects",
        "compare the file with its source; fetch it again",
    ),
    _row(
        "truncated",
        "F69",
        "unexpected e|truncated|premature|crc|end-of-stream|not in gzip|not a gzipped|eof marker|badzipfile|signature not found",
        r"[Uu]nexpected end of (?:file|input|archive)|[Uu]nexpected EOF|(?:file|archive) is truncated|[Tt]runcated (?:file|archive|input)"
        r"|[Pp]remature end of|CRC(?:32)? check failed|before the end-of-stream marker|not in gzip format|Not a gzipped file"
        r"|EOF marker is absent|BadZipFile|file signature not found",
        "a file is truncated, or is not of its kind: {line}",
        "look at its size, and at what made it; fetch or make it again",
    ),
    _row(
        "web-page",
        "F31",
        "<!doctype|<html|unexpected token '<'",
        r"(?i)<!DOCTYPE html|<html\b|Unexpected token '?<",
        "a file that it read is a web page in place of data, such as a page for logging in",
        "read the file, and fetch it with the credential that it needs",
    ),
    _row(
        "missing-file",
        "F47",
        "filenotfounde",
        r"FileNotFoundError: \[Errno 2\] No such file or directory: '([^']*)'|FileNotFoundException: (\S+) \(No such file",
        "it looked for '{0}', which is not there",
        _DECLARE,
    ),
    _row(
        "permission",
        "F13",
        "permissionerror",
        r"PermissionError: \[Errno 13\] Permission denied: '([^']*)'",
        "it may not open '{0}'",
        "give yourself the right to it, or choose another place",
    ),
    _row(
        "no-command",
        "F32",
        "not found",
        r"(?:^|: )([\w./+-]+): (?:command )?not found\b",
        "the command '{0}' was not found",
        _COMMAND,
    ),
    _row(
        "no-command",
        "F32",
        "command not found: ",
        r"command not found: ([\w./+-]+)",
        "the command '{0}' was not found",
        _COMMAND,
    ),
    _row(
        "open-files",
        "F62",
        "too many open files",
        r"Too many open files",
        "it had too many files open",
        "raise the limit (`ulimit -n`) where the engine starts",
    ),
    _row(
        "processes",
        "F62",
        "resource temporarily unavailable|new thread|native thread|pthread_create",
        r"fork: .*Resource temporarily unavailable|can't start new thread|unable to create (?:new )?native thread"
        r"|pthread_create failed|BlockingIOError: \[Errno 11\]",
        "it could start no more processes or threads",
        "let it use fewer threads (OMP_NUM_THREADS, with the profile env), or raise the limit (`ulimit -u`)",
    ),
    _row(
        "wrong-machine",
        "F34",
        "exec format error|cannot execute binary file",
        r"Exec format error|cannot execute binary file",
        "a program was made for another kind of machine",
        "compile it for the site's machines",
    ),
    _row(
        "crash",
        "F54",
        "segmentation fault|sigsegv",
        r"Segmentation fault|SIGSEGV",
        "a program crashed (segmentation fault)",
        _DEBUG,
    ),
    _row(
        "signal",
        "F55",
        "illegal instruction|floating point exception|bus error|aborted|double free|malloc(): ",
        r"Illegal instruction|Floating point exception|\bBus error|Aborted \(core dumped\)|double free or corruption"
        r"|^malloc\(\): ",
        "a program ended abnormally: {line}",
        _DEBUG,
    ),
    _row(
        "broken-pipe",
        "F64",
        "broken pipe|brokenpipe|sigpipe",
        r"[Bb]roken pipe|BrokenPipeError|SIGPIPE",
        "a program wrote to another one that had ended",
        "often `head` ends before what it reads from; let the first program write less, or without `set -o pipefail`",
    ),
    _row(
        "numerical",
        "F66",
        "converge|singular|linalgerror|positive|nan",
        r"(?:did not|failed to|does not) converge|[Ss]ingular matrix|matrix is (?:exactly |computationally )?singular|LinAlgError"
        r"|not positive.definite|NaNs? (?:detected|encountered|found)|(?i:\b(?:loss|energy|residual|cost) ?(?:is|=|:) ?nan\b)",
        "a calculation has no result: {line}",
        "look at its input; the same input gives the same end",
    ),
    _row(
        "missing-file",
        "F47",
        "no such file or directory",
        r"(?:: |['‘\"])([^\s:'’\"]+)['’\"]?: No such file or directory",
        "it looked for '{0}', which is not there",
        _DECLARE,
    ),
    _row(
        "not-executable",
        "F33",
        "permission denied",
        r"(?:^|[ /])(?:sh|bash|dash|zsh|env)(?:: (?:line )?\d+)?: (\S+): Permission denied|(?:line|:) \d+: (\S+): Permission denied",
        "'{0}' may not be run",
        "chmod +x the program, or name it as executable in the catalog",
    ),
    _row(
        "permission",
        "F13",
        "permission denied",
        r"Permission denied",
        "something may not be read, written or run",
        "the line above names it: give yourself the right, or `chmod +x` a program",
    ),
    _row(
        "killed",
        "F52",
        "killed",
        r"(?:^|\s)Killed$|line \d+: +\d+ Killed\s",
        "a process of it was killed, as the system does when memory runs out",
        _MEMORY,
    ),
    _row(
        "language-error",
        "F50",
        "error in |exception in thread|undefined function|error: loaderror",
        r"^Error in .+|^Exception in thread \".+|^Undefined function (?:or variable )?'.+|^ERROR: LoadError: .+",
        "{line}",
        _DEBUG.replace("this is an error in the program; ", ""),
    ),
)

_TRACEBACK = "Traceback (most recent call last):"


def recognise(text: str) -> Recognised | None:
    """Return the known message at the end of a stream, or None.

    The last line of a Python traceback is searched before all others.
    """
    end = text[-BYTES_SEARCHED:].rstrip()
    if not end:
        return None
    every = end.split("\n")
    lines = every[-LINES_SEARCHED:]
    first = text.count("\n", 0, max(0, len(text) - BYTES_SEARCHED)) + len(every) - len(lines) + 1
    at = _traceback_end(lines)
    last = lines[at].rstrip() if at >= 0 else ""
    found = _found([(at, last)], first) if last else None
    if found is None and (not last or last.startswith("subprocess.CalledProcessError")):
        found = _found([(n, lines[n].rstrip()) for n in range(len(lines) - 1, -1, -1)], first)
    if found is None and last:
        return Recognised(TRACEBACK, _TRACEBACK_RULE, last, "", last, first + at)
    return found


def _found(lines: list[tuple[int, str]], first: int) -> Recognised | None:
    """Return the first row that is in one of the lines, each with its position; `first` is the number of position 0."""
    every = "\n".join(line for _, line in lines).lower()
    for row in TABLE:
        if not any(needle in every for needle in row.needles):
            continue
        for position, line in lines:
            if match := row.regex.search(line[:LINE_CHARACTERS]):
                word = next((group for group in match.groups() if group), "")
                if row.name == "missing-module":
                    word = word.split(".")[0]
                line = line.strip()
                meaning = row.meaning.replace("{0}", word).replace("{line}", line[:200])
                remedy = row.remedy.replace("{0}", word)
                return Recognised(row.name, row.rule, meaning, remedy, line, first + position)
    return None


def traceback_line(lines: list[str]) -> str:
    """Return the line with which the last Python traceback of a text ends; empty if there is none.

    The message of an error may itself have several lines: the first counts.
    """
    at = _traceback_end(lines)
    return lines[at] if at >= 0 else ""


def _traceback_end(lines: list[str]) -> int:
    """Return the position of that line; -1: there is none."""
    begin = next(
        (n for n in range(len(lines) - 1, -1, -1) if lines[n].lstrip("| ").startswith(_TRACEBACK)), -1
    )
    if begin < 0:
        return -1
    for position in range(begin + 1, len(lines)):
        line = lines[position]
        if line and not line[0].isspace() and re.match(r"[A-Za-z_][\w.]*(?::|$)", line):
            return position
    return -1
