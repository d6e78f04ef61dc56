"""The rules by which failures are named: number, short title and class of each. Everything that names a failure takes it from here.

What finds a rule stands elsewhere: messages of Markab and of batch systems in `error_rules.py`, messages of programs in
`failure_patterns.py`, what can be known before a run in the planner and in `markab lint`.
"""

from __future__ import annotations

from typing import NamedTuple

TRANSIENT = "T"
RESOURCE = "R"
DETERMINISTIC = "D"
CREDENTIAL = "C"
POLICY = "P"
UNKNOWN_CLASS = "?"

CLASSES = {
    TRANSIENT: "trying again may help",
    RESOURCE: "it needs more of something",
    DETERMINISTIC: "it fails again until something is corrected",
    CREDENTIAL: "a credential is missing, wrong or expired",
    POLICY: "a person or a policy decides",
    UNKNOWN_CLASS: "not known",
}
"""Class of a failure → what it means for trying again."""

CERTAIN = "certain"
"""From a fact of the kernel, of a batch system, or of Markab itself."""
LIKELY = "likely"
"""From what a program printed."""
POSSIBLE = "possible"
"""From an exit code or a signal alone, of which others are known to be the cause too."""
UNKNOWN = "unknown"
"""No rule holds."""

CERTAINTIES = (CERTAIN, LIKELY, POSSIBLE, UNKNOWN)


class Rule(NamedTuple):
    """A kind of failure."""

    id: str
    title: str
    category: str
    """A key of `CLASSES`."""


_TABLE = """
F01 D an input has no replica and no job makes it
F02 D no executable for the site
F03 D a placeholder was left in
F04 D the dependencies form a cycle
F05 D two jobs write one file
F06 D the request is larger than the site
F07 D a variable was not expanded
F08 D the run directory is in use
F09 D a job was declared and never added
F10 D the program does not take these arguments
F11 P a secret in arguments or environment
F12 D input file missing
F13 D file not accessible
F14 D not found at its URL
F15 C refused by the server
F16 C credential expired
F17 P the clock is wrong
F18 T the server is overloaded, or limits requests
F19 T network or server error
F20 T host name not known
F21 D certificate not trusted
F22 P host key of ssh not trusted
F23 C ssh login refused
F24 T file short or empty
F25 T checksum differs
F26 P no checksum to verify
F27 D program for transfers missing
F28 R no space on the disk
F29 R quota or inodes used up
F30 T storage faulty or read-only
F31 D a web page in place of data
F32 D command not found
F33 D program not executable
F34 D program for another machine, or no program
F35 D interpreter missing
F36 D shared library missing
F37 D program for containers missing
F38 D container image not found
F39 T registry of images limits requests
F40 C registry of images refused
F41 D container image damaged
F42 D directory cannot be mounted in the container
F43 D environment module not found
F44 D GPU not visible
F45 D software environment cannot be made
F46 D module or package missing
F47 D file not there for the program
F48 D wrong arguments
F49 D Python exception
F50 D error of R, Java, Julia or MATLAB
F51 R the program got no more memory
F52 R killed for lack of memory
F53 P used more memory than requested
F54 D crash: segmentation fault
F55 D ended by a signal
F56 R wall time exceeded
F57 P no sign of progress
F58 R memory of the GPU used up
F59 T GPU fault
F60 T MPI or NCCL error
F61 T no licence
F62 R too many files or processes
F63 R scratch above the request
F64 D broken pipe
F65 T preempted, evicted or cancelled
F66 D numerical error
F67 T a service inside the job is not usable
F68 D output missing
F69 D file empty or truncated
F70 D declared message of a failure
F71 D output in another folder
F72 D another job writes there too
F73 P no slot fits
F74 P the slot refuses the job
F75 D submission rejected
F76 P held by a user or a policy
F77 C credential for the pool refused
F78 T machine or connection lost
F79 C a pilot did not join the pool
F80 P the pilots are gone
F81 T batch system does not answer
F82 T one host fails what others can do
F83 P error of the engine, or of its storage
F84 ? attempts failed in different ways
F85 D sub-workflow failed
F86 ? unknown
F87 D a task changed an input that others read
F88 D script before or after the tasks failed
F89 D command line not usable
"""

RULES: dict[str, Rule] = {line[:3]: Rule(line[:3], line[6:], line[4]) for line in _TABLE.strip().split("\n")}
"""Number → rule."""

UNKNOWN_RULE = "F86"
ATTEMPTS_DIFFER = "F84"
BAD_HOST = "F82"


def rule_text(rule: str, certainty: str) -> str:
    """Return a rule with its certainty, as reports show them: "F46 module or package missing, likely"."""
    if rule == UNKNOWN_RULE:
        return f"{rule} {RULES[rule].title}"
    return f"{rule} {RULES[rule].title}, {certainty}"
