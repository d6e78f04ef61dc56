"""The invocation record that `pegasus-kickstart` writes: an entry of a YAML list, in Kickstart's order and with its names.

- invocation: True
  version, start, duration, transformation, derivation, resource, wf-label, wf-stamp,
  hostname, pid, uid, user, gid, group, umask
  setup, prejob, mainjob, postjob, cleanup     those that were to run, each with
      start, duration, pid, usage, status, executable, argument_vector
  jobids, cwd, usage, machine
  files                                        by LFN, and stdin, stdout, stderr, metadata;
                                               the last has the lines KEY=VALUE that the program wrote
  environment, limits                          after a failure, or with -f
"""

import grp
import os
import pwd
import re
import resource
import time
from typing import Any, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Sequence, Tuple

from markab.worker.kickstart_options import ALL, Options
from markab.worker.kickstart_run import Section, usage_of
from markab.worker.kickstart_yaml import VERSION, status_text, usage_text, yaml_text

HIDDEN = "***"
_SECRET_NAME = re.compile("PASS|SECRET|TOKEN|CREDENTIAL|_KEY|AUTH", re.IGNORECASE)
_BLOCK = re.compile("[^\t\n -~\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|\u2028|\u2029")
"""A character that cannot stand in a YAML block as it is."""
_BATCH_SYSTEMS = (("slurm", "SLURM_JOB_ID"), ("pbs", "PBS_JOBID"), ("lsf", "LSB_JOBID"), ("sge", "JOB_ID"))


class Stream(NamedTuple):
    """stdin, stdout, stderr, or the metadata of the program."""

    name: str
    path: str
    """The file that it is connected to; "": that of pegasus-kickstart."""
    fd: int
    is_captured: bool
    """A temporary file, whose text goes into the record."""


class Measured(NamedTuple):
    """What is known when all is over."""

    options: Options
    start: float
    duration_s: float
    cwd: str
    environ: Mapping[str, str]
    sections: Sequence[Section]
    initial: Dict[str, str]
    """LFN → the description of a file before the program ran."""
    streams: Sequence[Stream]
    integrity: str
    """Entries of files that the program described itself; see `KICKSTART_INTEGRITY_DATA`."""


def record_text(facts: Measured) -> str:
    """Return the record."""
    failed = any(one.status for one in facts.sections if one.name != "setup" and one.name != "cleanup")
    is_brief = facts.options.has("H")
    parts = [
        _header(facts),
        *[_section(one) for one in facts.sections],
        _job_ids(facts.environ),
        "  cwd: %s\n" % yaml_text(facts.cwd),
        "" if is_brief else "  usage: %s\n" % usage_text(usage_of(resource.getrusage(resource.RUSAGE_SELF))),
        _map("machine", machine_facts(), 2),
        _files(facts, with_text=failed or not facts.options.has("q")),
    ]
    if (failed or facts.options.has("f")) and not is_brief:
        parts += [_map("environment", _environment(facts.environ), 2), _map("limits", _limits(), 2)]
    return "".join(parts)


def _header(facts: Measured) -> str:
    options = facts.options
    fields: List[Tuple[str, Any]] = [("version", _Plain(VERSION))]
    fields += [("start", _Plain(iso(facts.start))), ("duration", facts.duration_s)]
    fields += [("transformation", options.value("n") or "null"), ("derivation", options.value("N") or "null")]
    given = (("resource", "R"), ("wf-label", "L"), ("wf-stamp", "T"))
    fields += [(key, options.value(letter)) for key, letter in given if options.value(letter)]
    uid, gid = os.getuid(), os.getgid()
    fields += [
        ("hostname", os.uname().nodename),
        ("pid", os.getpid()),
        ("uid", uid),
        ("user", user_name(uid)),
    ]
    fields += [("gid", gid), ("group", group_name(gid)), ("umask", _Plain("0o%03o" % _umask()))]
    return "- invocation: True\n" + "".join("  %s: %s\n" % (key, _value(value)) for key, value in fields)


def _section(one: Section) -> str:
    words = one.argv[1:]
    parts = [
        "  %s:\n    start: %s\n    duration: %.3f\n" % (one.name, iso(one.start), one.duration_s),
        "    pid: %d\n" % one.pid if one.pid else "",
        "    usage: %s\n" % usage_text(one.usage) if one.usage else "",
        "    status:\n" + status_text(one.status, one.error),
        "    executable:\n" + _file_lines(one.program or one.argv[0]),
        "    argument_vector:\n" if words else "    argument_vector: []\n",
    ]
    return "".join(parts) + "".join("      - %s\n" % yaml_text(_shown(word)) for word in words)


def _files(facts: Measured, with_text: bool) -> str:
    entries = dict(facts.initial)
    for lfn, path in facts.options.final:
        entries[lfn] = described(lfn, path, is_output=True)
    parts = ["  files:\n", *entries.values(), facts.integrity]
    for stream in facts.streams:
        kept_bytes = ALL if stream.name == "metadata" else facts.options.kept_bytes
        parts.append(_stream(stream, kept_bytes, with_text or stream.name == "metadata"))
    return "".join(parts)


def described(lfn: str, path: str, is_output: bool = False) -> str:
    """Return the entry of a file: as it is now, and of an output its sha256, or that it cannot be computed."""
    text = "    %s:\n      lfn: %s\n%s" % (yaml_text(lfn), yaml_text(lfn), _file_lines(path))
    if not is_output:
        return text
    try:
        return text + "      output: True\n" + checksum_lines(path)
    except OSError:
        return text + "      output: True\n      integrity_error: True\n"


def checksum_lines(path: str) -> str:
    """Return the lines about the checksum of a file. Raises OSError."""
    from markab.transfers.checksum import sha256_of  # slow to import, and not every call has outputs

    began_s = time.monotonic()
    checksum = sha256_of(path)
    return "      sha256: %s\n      checksum_timing: %.3f\n" % (
        yaml_text(checksum),
        time.monotonic() - began_s,
    )


def _stream(stream: Stream, kept_bytes: int, with_text: bool) -> str:
    lines = "    %s:\n" % stream.name
    if stream.is_captured:
        lines += "      temporary_name: %s\n" % yaml_text(stream.path)
    elif stream.path:
        lines += "      file_name: %s\n" % yaml_text(stream.path)
    lines += "      descriptor: %d\n" % stream.fd
    if not stream.is_captured:
        return lines
    size_bytes = os.fstat(stream.fd).st_size
    lines += "      size: %d\n" % size_bytes
    if not with_text:
        return lines
    kept = size_bytes if kept_bytes == ALL else min(size_bytes, kept_bytes)
    if kept < size_bytes:
        lines += "      data_truncated: True\n"
    text = read_all(stream.fd, size_bytes - kept).decode("utf-8", "replace")
    return lines + "      data: %s" % block_text(text, 8)


def block_text(text: str, indent: int) -> str:
    """Return a text as the value of a key: a block if it may stand in one, else in double quotes."""
    if not text or _BLOCK.search(text):
        return yaml_text(text) + "\n"
    stripped = text.rstrip("\n")
    chomping = {0: "-", 1: ""}.get(len(text) - len(stripped), "+")
    if not stripped:
        return yaml_text(text) + "\n"
    hint = "2" if stripped[0] in " \t\n" else ""
    blanks = " " * indent
    lines = text[: -1 if text.endswith("\n") else None].split("\n")
    return "|%s%s\n" % (hint, chomping) + "".join(
        "%s%s\n" % (blanks, line) if line else "\n" for line in lines
    )


def machine_facts() -> Dict[str, Any]:
    """Return what is known of this machine."""
    system = os.uname()
    facts: Dict[str, Any] = {"page-size": os.sysconf("SC_PAGE_SIZE")}
    names = ("sysname", "nodename", "release", "machine")
    facts.update(("uname_" + name.replace("sysname", "system"), getattr(system, name)) for name in names)
    memory = dict(_pairs("/proc/meminfo"))
    for key, name in (
        ("ram_total", "MemTotal"),
        ("ram_free", "MemFree"),
        ("ram_shared", "Shmem"),
        ("ram_buffer", "Buffers"),
        ("swap_total", "SwapTotal"),
        ("swap_free", "SwapFree"),
    ):
        if name in memory:
            facts[key] = int(memory[name].split()[0])
    processor = dict(_pairs("/proc/cpuinfo"))
    facts["cpu_count"] = os.cpu_count() or 1
    for key, name in (("cpu_speed", "cpu MHz"), ("cpu_vendor", "vendor_id"), ("cpu_model", "model name")):
        if name in processor:
            facts[key] = int(float(processor[name])) if key == "cpu_speed" else processor[name]
    facts["load_min1"], facts["load_min5"], facts["load_min15"] = os.getloadavg()
    return facts


def read_all(fd: int, start: int) -> bytes:
    """Return what a file has from a position to its end."""
    blocks: List[bytes] = []
    while True:
        block = os.pread(fd, 1 << 20, start)
        if not block:
            return b"".join(blocks)
        blocks.append(block)
        start += len(block)


def iso(epoch_s: float) -> str:
    """Return a time as ISO 8601, with milliseconds and the offset of the time zone."""
    whole = int(epoch_s)
    local = time.localtime(whole)
    offset = time.strftime("%z", local)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", local)
    return "%s.%03d%s:%s" % (text, int((epoch_s - whole) * 1000), offset[:3], offset[3:])


class _Plain(str):
    """Text that stands in YAML as it is."""


def _value(value: Any) -> str:
    if isinstance(value, _Plain):
        return str(value)
    if isinstance(value, str):
        return yaml_text(value)
    return "%.3f" % value if isinstance(value, float) else str(value)


def _map(key: str, values: Mapping[str, Any], indent: int) -> str:
    blanks = " " * indent
    lines = ["%s  %s: %s\n" % (blanks, name, _value(value)) for name, value in values.items()]
    return "".join(["%s%s:\n" % (blanks, key), *lines])


def _file_lines(path: str) -> str:
    """Return the lines about a file; of one that is not there the error."""
    lines = "      file_name: %s\n" % yaml_text(path)
    try:
        status = os.stat(path)
    except OSError as error:
        return lines + "      error: %s\n" % yaml_text(error.strerror or str(error))
    times = [(name, _Plain(iso(getattr(status, "st_" + name)))) for name in ("mtime", "atime", "ctime")]
    fields: Iterable[Tuple[str, Any]] = (
        ("mode", _Plain("0o%06o" % status.st_mode)),
        ("size", status.st_size),
        ("inode", status.st_ino),
        ("nlink", status.st_nlink),
        ("blksize", status.st_blksize),
        ("blocks", status.st_blocks),
        *times,
        ("uid", status.st_uid),
        ("user", user_name(status.st_uid)),
        ("gid", status.st_gid),
        ("group", group_name(status.st_gid)),
    )
    return lines + "".join("      %s: %s\n" % (key, _value(value)) for key, value in fields)


def user_name(uid: int) -> str:
    """Return the name of a user; without one the number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid: int) -> str:
    """Return the name of a group; without one the number."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _job_ids(environ: Mapping[str, str]) -> str:
    ids = {"condor": environ.get("CONDOR_JOBID"), "gram": environ.get("GLOBUS_GRAM_JOB_CONTACT")}
    for system, name in _BATCH_SYSTEMS:
        if environ.get(name):
            ids.update(lrmtype=system, lrm=environ[name])
            break
    known = {key: value for key, value in ids.items() if value}
    return _map("jobids", known, 2) if known else ""


def _environment(environ: Mapping[str, str]) -> Dict[str, str]:
    """Return the environment, with the values of names that sound like secrets hidden."""
    return {
        yaml_text(name): HIDDEN if _SECRET_NAME.search(name) else _shown(environ[name])
        for name in sorted(environ)
    }


def _shown(text: str) -> str:
    """Return a text without the passwords in its URLs."""
    if "://" not in text:
        return text
    from markab.transfers.base import redact

    return redact(text)


def _limits() -> Dict[str, Any]:
    names = sorted(name for name in dir(resource) if name.startswith("RLIMIT_"))
    limits = {}
    for name in names:
        soft, hard = (
            "unlimited" if value == resource.RLIM_INFINITY else value
            for value in resource.getrlimit(getattr(resource, name))
        )
        limits[name[7:].lower()] = _Plain("{soft: %s, hard: %s}" % (soft, hard))
    return limits


def _pairs(path: str) -> Iterator[Tuple[str, str]]:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            for line in file:
                key, _, value = line.partition(":")
                yield key.strip(), value.strip()
    except OSError:
        return
