"""The invocation record: what a worker says of one attempt, as a JSON object.

Written by `finish` (and by the chores in `chores.py`), put into the journal as
it is, read by the engine and by reports. Times are UTC epoch seconds. A key that
has nothing to say is left out.

    ok            bool    the attempt succeeded
    error         object  why not: {"kind", "message", "hint"?}; kinds are listed below
    also          list    further errors of the same shape ("exit code 3" and "output 'x' missing")
    host          str     name of the machine
    cwd           str     directory the task ran in
    start         float   when the worker began to prepare
    end           float   when it had finished
    invocations   list    one object a process (for a compute job, one a task), see below
    checked       object  {"count", "failed", "duration_s"}: inputs, or files moved, whose checksum was verified
    hashed        object  {"count", "duration_s"}: outputs whose checksum was made
    outputs       list    {"lfn", "size", "sha256"?, "checkpoint"?} of every file that is now in place
    transfers     list    {"lfn", "source", "destination", "bytes", "duration_s", "attempts", "sha256"?,
                          "link"?}
    removed       int     files and directories removed
    stdout        str     captured text of the task, when short
    stderr        str
    stdout_file   str     where it is otherwise, relative to the submit directory
    stderr_file   str
    stdout_bytes  int     how much was written, when that is more than was kept
    stderr_bytes  int

An invocation:

    task          str     id of the user's task
    argv          list    as it was run, after splitting and expansion
    start         float
    duration_s    float
    pid           int
    status        int     raw wait status: 256 is exit code 1, 9 is killed by SIGKILL; -1: never started
    utime_s, stime_s  float
    maxrss_kb     int
    minflt, majflt, inblock, oublock, nvcsw, nivcsw  int

Kinds of errors: "exit" (exit code not 0), "signal" (died by a signal), "no-program"
(does not exist), "not-executable", "missing-input", "checksum" (an input is not what
was recorded), "missing-output", "input-changed" (the task changed a shared input in
place), "failure-message", "success-message", "timeout", "cancelled", "transfer",
"refused" (no source of a file has it or gives it: asking again will not help), "storage"
(disk full, not writable), "arguments" (a command line that cannot be split), "lost" (the
engine was killed while it ran), "internal".
"""
