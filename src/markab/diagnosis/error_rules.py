"""Which rule holds for an error that Markab itself, the kernel or a batch system reported: by its kind and its message. Pure.

The messages are those of this version; what a test provokes is found again, so that a message which changes is noticed.
"""

from __future__ import annotations

import re

from markab.diagnosis.failure_rules import CERTAIN, POSSIBLE, UNKNOWN, UNKNOWN_RULE
from markab.transfers.error_kinds import ErrorKind

_BY_KIND = {
    ErrorKind.MEMORY: "F52",
    ErrorKind.NO_PROGRAM: "F32",
    ErrorKind.NOT_EXECUTABLE: "F33",
    ErrorKind.MISSING_INPUT: "F12",
    ErrorKind.CHECKSUM: "F25",
    ErrorKind.MISSING_OUTPUT: "F68",
    ErrorKind.INPUT_CHANGED: "F87",
    ErrorKind.FAILURE_MESSAGE: "F70",
    ErrorKind.SUCCESS_MESSAGE: "F70",
    ErrorKind.PRE_SCRIPT: "F88",
    ErrorKind.POST_SCRIPT: "F88",
    ErrorKind.ENVIRONMENT: "F45",
    ErrorKind.TIMEOUT: "F56",
    ErrorKind.CANCELLED: "F65",
    ErrorKind.ARGUMENTS: "F89",
    ErrorKind.LOST: "F78",
    ErrorKind.HELD: "F76",
    ErrorKind.SUB_WORKFLOW: "F85",
    ErrorKind.STOPPED: "F85",
    ErrorKind.PLANNING: "F85",
    ErrorKind.INTERNAL: "F83",
}
"""Kind → rule, where no message says more."""

_MOVED = (ErrorKind.TRANSFER, ErrorKind.REFUSED, ErrorKind.STORAGE, ErrorKind.MISSING_INPUT)
_PLACED = (*_MOVED, ErrorKind.CONTAINER, ErrorKind.ENVIRONMENT)
_BATCH = (
    ErrorKind.HELD,
    ErrorKind.REFUSED,
    ErrorKind.LOST,
    ErrorKind.CANCELLED,
    ErrorKind.STORAGE,
    ErrorKind.TRANSFER,
    ErrorKind.INTERNAL,
)
_PLANNED = (ErrorKind.PLANNING, ErrorKind.SUB_WORKFLOW, ErrorKind.REFUSED)
_IMAGE = (ErrorKind.CONTAINER, ErrorKind.REFUSED, ErrorKind.TRANSFER)
_STARTED = (ErrorKind.NO_PROGRAM, ErrorKind.NOT_EXECUTABLE)

_ROWS = [
    (rule, kinds, re.compile(regex, re.IGNORECASE))
    for rule, kinds, regex in (
        # starting a program
        ("F37", (*_STARTED, ErrorKind.REFUSED, ErrorKind.CONTAINER, ErrorKind.TRANSFER), r"which starts containers|which is to start container"),
        ("F35", _STARTED, r"^the interpreter '"),
        ("F36", _STARTED, r"^the loader of program"),
        ("F34", _STARTED, r"neither a binary for this machine nor a script|exec format error"),
        ("F27", _MOVED, r"^no program \S+ (?:is )?on PATH|transfer program .* is missing|needs the program '"),
        # batch systems
        ("F65", _BATCH, r"\bPREEMPTED\b|\bpreempt|\bevicted\b|\bCANCELLED by\b"),
        ("F78", _BATCH, r"\b(?:NODE_FAIL|BOOT_FAIL|LAUNCH_FAILED)\b|shadow exception|lost contact|heartbeat"),
        ("F63", _BATCH, r"disk usage .*exceed|used more disk|exceeded .*disk|scratch .*(?:above|exceed)"),
        ("F77", _BATCH, r"IDTOKEN|pool .*credential|credential .*(?:pool|schedd)|AUTHENTICATE:|lacks authority"),
        ("F16", (*_BATCH, *_MOVED), r"ExpiredToken|(?:token|proxy|credential)s?\b.{0,40}\bexpired"),
        ("F17", (*_BATCH, *_MOVED), r"TooSkewed|not yet valid|clock skew"),
        ("F79", _BATCH, r"pilot .*(?:did not join|never joined|has not joined)"),
        ("F80", _BATCH, r"pilots? .*(?:are gone|expired|ended at its (?:idle|time) limit)|annex .*expired"),
        ("F83", (ErrorKind.LOST,), r"\bengine\b"),
        ("F81", _BATCH, r"unable to contact slurm controller|(?:squeue|condor_q|qstat|bjobs)\b.*(?:timed out|time-out|no answer)"
         r"|failed to connect to (?:the )?schedd|batch system does not answer|does not answer any more"),
        ("F75", _BATCH, r"refused the job|invalid (?:account|partition|qos|queue)|account/partition combination|ProjectName"
         r"|batch job submission failed"),
        ("F74", _BATCH, r"\bSTART\b.*(?:refuse|false|never)|slots? refuses? the owner"),
        ("F73", _BATCH, r"no (?:slot|machine|node) (?:fits|matches|meets)|node configuration is not available|Requirements.*(?:never|no match)"),
        ("F72", (*_MOVED, ErrorKind.MISSING_OUTPUT), r"another job (?:writes|wrote) (?:it|there)|written by two jobs"),
        # images of containers
        ("F39", _IMAGE, r"registry limits how often|toomanyrequests|pull rate limit"),
        ("F40", (*_IMAGE, ErrorKind.HELD), r"image .*(?:unauthorized|authentication required|access denied|is denied|denied:)|CannotPull.*access denied"),
        ("F38", (*_IMAGE, ErrorKind.HELD), r"image .*(?:manifest unknown|manifest .*not found|repository .*not found|not known|no such image|404|name unknown)"
         r"|unable to find image|no such image|CannotPull.*not found|InvalidImageName"),
        ("F41", _IMAGE, r"image format|squashfs|not a valid SIF|is no image|invalid tar header|unrecognized image"),
        ("F42", (ErrorKind.CONTAINER,), r"mount|bind|statfs"),
        # environments
        ("F43", (ErrorKind.ENVIRONMENT,), r"^the modules '"),
        # storage
        ("F29", _PLACED, r"quota|inodes?\b"),
        ("F28", _PLACED, r"no space left|no room|disk (?:is )?full"),
        ("F30", _PLACED, r"read-only|input/output error|stale file handle|endpoint is not connected|structure needs cleaning"),
        # servers
        ("F31", _MOVED, r"web page in place of|is HTML, not"),
        ("F21", _MOVED, r"certificate"),
        ("F22", _MOVED, r"host key|host identification has changed"),
        ("F23", _MOVED, r"permission denied \((?:publickey|password|gssapi|keyboard)|login .*refused"),
        ("F20", _MOVED, r"the host '[^']*' is not known|could not resolve|name or service not known|name resolution"),
        ("F14", _MOVED, r"answers (?:404|410)\b|NoSuchKey|NoSuchBucket|\b550 "),
        ("F15", _MOVED, r"answers (?:401|403|407)\b|AccessDenied|SignatureDoesNotMatch|InvalidAccessKeyId"),
        ("F18", _MOVED, r"answers (?:429|503)\b|SlowDown|too many requests"),
        ("F24", _MOVED, r"was cut after \d+|is empty, and|bytes, expected|has \d+ bytes"),
        ("F26", _MOVED, r"has no checksum|checksum .*is not (?:known|recorded)"),
        ("F19", _MOVED, r"^'\w+://|connection (?:refused|reset|timed out)|no answer in time|unreachable|server broke off|no route to host"),
        # planning
        ("F01", _PLANNED, r"has no replica\b"),
        ("F02", _PLANNED, r"has no executable|is in no catalog|^.*transformation '.*cannot run at"),
        ("F03", _PLANNED, r"has the placeholder"),
        ("F04", _PLANNED, r"cyclic dependency|depends on itself"),
        ("F05", _PLANNED, r"is made by two jobs|makes '.*' twice"),
        ("F06", _PLANNED, r"requests .* and the largest site|too few for|more than .* has"),
        ("F07", _PLANNED, r"environment variable '.*', which is not set|nothing puts in its value"),
        ("F09", _PLANNED, r"names the job '.*', which does not exist"),
        # files on this machine
        ("F13", _MOVED, r"may not be read|permission denied|operation not permitted"),
        ("F12", _MOVED, r"does not exist|dangling symbolic link|no such file|is a directory, not a file|not there"),
        ("F71", (ErrorKind.MISSING_OUTPUT,), r"through a symbolic link out of"),
    )
]  # fmt: skip
"""Rule, the kinds of error of which it can be, and the message; the first that holds counts."""

_OF_ITSELF = ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGSYS", "SIGXCPU", "SIGXFSZ")
"""Signals that a process gets for what it did; any other may have been sent by anyone, for any reason."""


def rule_of_error(kind: str, message: str) -> tuple[str, str]:
    """Return the rule that holds for an error, and how certain that is."""
    for rule, kinds, regex in _ROWS:
        if kind in kinds and regex.search(message):
            return rule, CERTAIN
    if kind in _BY_KIND:
        return _BY_KIND[kind], CERTAIN
    return UNKNOWN_RULE, UNKNOWN


def rule_of_signal(name: str) -> tuple[str, str]:
    """Return the rule for a process that was ended by a signal, such as "SIGSEGV (11)"; who sent one like SIGKILL is not known."""
    if name.startswith("SIGSEGV"):
        return "F54", CERTAIN
    if name.startswith("SIGPIPE"):
        return "F64", CERTAIN
    return "F55", CERTAIN if name.startswith(_OF_ITSELF) else POSSIBLE


def rule_of_stop(event: str, why: str) -> str:
    """Return the rule for what kept the engine from running, or from going on: a record `refused` or `no-room`."""
    if event == "no-room":
        return "F63"
    if re.search(r"\bcores?\b|\bmemory\b|\bGPUs?\b|\bslots?\b", why):
        return "F06"
    return "F83"
