"""The directory of one batch job, on the file system that the submit host shares with the nodes.

It stands in `.batches/` of the scratch directory of its run, under the name of the batch job:

    batch.json      {"site", "job": what is asked for (`batch_system.py:BatchJob`), "elements": of each the attempts
                    it runs, [run, job, number], in their order}
    script          what is submitted; it changes to this directory and starts the worker
    specs           what the worker reads, see `worker/batch_element.py`
    claims/ fences/ records/ attachments/   what it writes
    passwords.json  the run's private file, mode 600; only where the worker moves files over a network
    output.*        what the scripts print: usually nothing
    submitted       ids that the system gave to the job, one a line: mostly one

It is made complete, flushed, under another name, and renamed before the job is submitted: whoever continues
the run finds it, asks the system for the name, and submits it only if nothing answers to that. Should two jobs
be submitted for it all the same, the claims see to it that every attempt runs once. It is removed when the end
of its last attempt is recorded.

The worker is beside it, in `.batches/worker-DIGEST.zip`, for all batches of the run.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from markab.errors import StorageError
from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, Record
from markab.executors.remote.batch_system import BatchJob
from markab.executors.remote.compiled_worker import compiled_worker
from markab.executors.remote.sandbox import read_record
from markab.executors.worker_protocol import keep_attachments, spec_of
from markab.transfers.error_kinds import ErrorKind
from markab.transfers.reserved_names import BATCHES
from markab.transfers.run_passwords import read_passwords, write_passwords
from markab.worker.fence import REVOKED, is_revoked, take
from markab.worker.record import unseen_record

_LONGEST_OUTPUT = 2000


@dataclass(frozen=True, slots=True)
class BatchDirectory:
    """A batch that is on disk."""

    path: Path
    name: str
    elements: Sequence[Sequence[AttemptId]]

    @property
    def attempts(self) -> list[AttemptId]:
        """All attempts, by their position."""
        return [id_ for element in self.elements for id_ in element]

    @property
    def script(self) -> Path:
        """What is submitted."""
        return self.path / "script"

    # -- ids that the system gave --

    def submitted(self) -> list[str]:
        """Return the ids of its jobs, as far as the system's answers arrived."""
        try:
            return (self.path / "submitted").read_text().split()
        except FileNotFoundError:
            return []

    def note_submitted(self, native_ids: Sequence[str]) -> None:
        """Keep the ids. Raises OSError."""
        part = self.path / "submitted.part"
        part.write_text("".join(f"{id_}\n" for id_ in native_ids))
        part.rename(self.path / "submitted")

    # -- what the worker wrote --

    def changed_ns(self, folder: str) -> int:
        """Return when something was last added to `claims` or `records`; 0: not known now."""
        try:
            return os.stat(self.path / folder).st_mtime_ns
        except OSError:
            return 0

    def begun(self) -> set[int]:
        """Return the positions of attempts that were begun, or revoked."""
        return set(_numbers(self.path / "claims", ""))

    def recorded(self) -> set[int]:
        """Return the positions of attempts whose record is there."""
        return set(_numbers(self.path / "records", ".json"))

    def pulse_ns(self, position: int) -> int:
        """Return a number that changes while the worker of an attempt lives; 0: it is not known."""
        try:
            return os.stat(self.path / "claims" / str(position)).st_mtime_ns
        except OSError:
            return 0

    def host_of(self, position: int) -> str:
        """Return the machine on which an attempt was begun; empty: it is not known."""
        try:
            words = (self.path / "claims" / str(position)).read_text(errors="replace").split()
        except OSError:
            return ""
        return words[0] if len(words) == 2 and words[0].isprintable() else ""

    def has_record(self, position: int) -> bool:
        """Return whether the record of an attempt is there, asking the file server and not what is remembered of it."""
        try:
            os.close(os.open(self.path / "records" / f"{position}.json", os.O_RDONLY))
        except OSError:
            return False
        return True

    def collect(self, position: int, attempt: Attempt) -> Record:
        """Return the record of an attempt, its attachments put into the submit directory. May be done again.

        Raises:
            FileNotFoundError: there is none.
        """
        try:
            record, _ = read_record(str(self.path / "records" / f"{position}.json"))
        except FileNotFoundError:
            raise
        except (OSError, ValueError, RecursionError, msgspec.DecodeError) as error:
            return unseen_record(ErrorKind.TRANSFER, f"the record of the worker cannot be read: {error}")
        keep_attachments(record, str(self.path / "attachments"), attempt)
        declared = {one.lfn for one in attempt.job.inputs} | {one.lfn for one in attempt.job.outputs}
        for key in ("outputs", "transfers"):
            if kept := [entry for entry in record.pop(key, ()) if entry["lfn"] in declared]:
                record[key] = kept
        return record

    # -- giving up --

    def withdraw(self, position: int) -> bool:
        """Make sure that an attempt never begins; return False if it has begun. Raises StorageError."""
        return self._take("claims", position)

    def revoke(self, position: int) -> bool:
        """Make sure that an attempt has no effect any more; return False if its outputs may be in place already.

        Raises:
            StorageError: the file system does not answer.
        """
        return self._take("claims", position) or self._take("fences", position)

    def is_revoked(self, position: int) -> bool:
        """Return whether an attempt was withdrawn or revoked."""
        return any(is_revoked(str(self.path / folder / str(position))) for folder in ("claims", "fences"))

    def _take(self, folder: str, position: int) -> bool:
        path = str(self.path / folder / str(position))
        try:
            return take(path, REVOKED) or is_revoked(path)
        except OSError as error:
            raise StorageError(f"cannot revoke an attempt in '{self.path}': {error.strerror}") from error

    def printed(self) -> str:
        """Return the end of what the scripts printed, in one line."""
        texts = []
        for path in sorted(self.path.glob("output*"))[:20]:
            try:
                with open(path, "rb") as file:
                    file.seek(max(0, os.fstat(file.fileno()).st_size - _LONGEST_OUTPUT))
                    texts.append(file.read().decode("utf-8", "replace"))
            except OSError:
                continue
        return "; ".join(
            dict.fromkeys(line.strip() for text in texts for line in text.splitlines() if line.strip())
        )

    def remove(self) -> None:
        """Remove it. May be called twice."""
        gone = self.path.with_name(self.path.name + ".gone")
        try:
            self.path.rename(gone)
        except OSError:
            pass
        shutil.rmtree(gone, ignore_errors=True)


def top_of(attempt: Attempt) -> Path:
    """Return the directory with the batches of an attempt's run."""
    return Path(attempt.scratch) / BATCHES


def begin_batch(name: str, elements: Sequence[Sequence[Attempt]]) -> BatchDirectory:
    """Write the directory of a batch, which gets its name by `finish_batch`; all attempts are of one scratch directory.

    Raises:
        OSError: the file system refuses it.
    """
    top = top_of(elements[0][0])
    top.mkdir(mode=0o700, exist_ok=True)
    part, path = top / f"{name}.part", top / name
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o700)
    for folder in ("claims", "fences", "records", "attachments"):
        (part / folder).mkdir()
    _write_specs(part, elements)
    ids = [[attempt.id for attempt in element] for element in elements]
    return BatchDirectory(path, name, ids)


def worker_command(batch: BatchDirectory, worker: Path, limit_s: float, pulse_s: float) -> str:
    """Return what the script of a batch does, as a shell command; the times are those of `worker/batch_element.py`."""
    words = ["python3", "-I", str(worker), "specs", f"--pulse={pulse_s:g}"]
    if limit_s:
        words.append(f"--limit={limit_s:.0f}")
    return f'cd {shlex.quote(str(batch.path))} && exec {shlex.join(words)} --pick="$MARKAB_ELEMENT"'


def finish_batch(batch: BatchDirectory, site: str, job: BatchJob, script: str) -> None:
    """Write the script of a batch that was begun, and give the directory its name. Raises OSError.

    When this returns, the batch survives a crash of this machine.
    """
    part = batch.path.with_name(batch.name + ".part")
    described = {"site": site, "job": asdict(job), "elements": batch.elements}
    _write(part / "batch.json", json.dumps(described))
    _write(part / "script", script)
    os.chmod(part / "script", 0o700)
    _flush_directory(part)
    part.rename(batch.path)
    _flush_directory(batch.path.parent)


def find_batches(top: Path) -> Iterator[tuple[BatchDirectory, str, BatchJob]]:
    """Yield the batches in a directory, each with its site and job; what is not whole was never submitted, and is removed."""
    try:
        names = sorted(os.listdir(top))
    except OSError:
        return
    for name in names:
        path = top / name
        if name.endswith((".part", ".gone")):
            shutil.rmtree(path, ignore_errors=True)
            continue
        try:
            read = json.loads((path / "batch.json").read_bytes())
            elements = [[AttemptId(*id_) for id_ in element] for element in read["elements"]]
            job, site = BatchJob(**read["job"]), str(read["site"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # the worker, or nothing of ours
        yield BatchDirectory(path, name, elements), site, job


def place_worker(top: Path) -> Path:
    """Put the packed worker beside the batches, if it is not there; return where it is. Raises OSError."""
    content = compiled_worker()
    path = top / f"worker-{hashlib.sha256(content).hexdigest()[:12]}.zip"
    if not path.exists():
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        top.mkdir(mode=0o700, exist_ok=True)
        with open(part, "wb") as file:
            file.write(content)
            os.fsync(file.fileno())
        part.rename(path)
    return path


def _write_specs(path: Path, elements: Sequence[Sequence[Attempt]]) -> None:
    position, needs_passwords = 0, False
    encoder = msgspec.json.Encoder()
    with open(path / "specs", "wb") as file:
        for element in elements:
            line = []
            for attempt in element:
                spec = spec_of(attempt, "attachments")
                spec.update(catalog=None, passwords="", keep_failed=False, store="")
                if not attempt.scratch or any(one.sources for one in attempt.job.inputs):
                    spec["passwords"] = "passwords.json" if attempt.context.passwords else ""
                    needs_passwords = needs_passwords or bool(attempt.context.passwords)
                line.append({"position": position, "spec": spec})
                position += 1
            file.write(encoder.encode(line) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    if needs_passwords:
        write_passwords(str(path / "passwords.json"), read_passwords(elements[0][0].context.passwords))


def _write(path: Path, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _flush_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _numbers(path: Path, ending: str) -> Iterator[int]:
    try:
        names = os.listdir(path)
    except OSError:
        return
    for name in names:
        stem = name.removesuffix(ending) if name.endswith(ending) else ""
        if stem.isdecimal():
            yield int(stem)
