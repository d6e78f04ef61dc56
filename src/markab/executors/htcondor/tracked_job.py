"""What is known of one attempt that HTCondor has: its state, as events and answers of the schedd tell it. Pure.

Events only set fields here, so the log of a run can be read again from its beginning; the executor acts on what
the fields say after the last event.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from markab.executors.base import Attempt, Report, Seen
from markab.executors.htcondor.event_log import JobId, LoggedEvent
from markab.executors.htcondor.hold_codes import SPOOLING, hold_kind
from markab.executors.htcondor.schedd import COMPLETED, HELD, IDLE, REMOVED, RUNNING, Ad

_QUEUED_AGAIN = frozenset(
    {"JobEvicted", "ShadowException", "JobReconnectFailed", "ReconnectFailed", "JobReleased", "JobRelease"}
)
_RUNS_ON = frozenset({"JobReconnected", "JobUnsuspended"})


@dataclass
class TrackedJob:
    """An attempt, from `submit` or `recover` until its end is recorded."""

    attempt: Attempt
    seen: Seen = Seen.QUEUED
    reason: str = ""
    """Why it is held, or what is known of why it waits."""
    id: JobId | None = None
    others: list[JobId] = field(default_factory=list)
    """Further jobs of the same attempt: a submission that seemed to fail, and did not."""
    is_over: bool = False
    """HTCondor is done with it: what comes back is back."""
    exit_text: str = ""
    """How it ended, when it ended by itself."""
    exit_signal: int = 0
    removed: str = ""
    """Why it was removed, when it was."""
    failure: str = ""
    """Kind of the error that waiting does not help against; `reason` says more."""
    is_cancelled: bool = False
    missed: int = 0
    """How often the queue did not have it."""
    host: str = ""
    told: tuple[Seen, str] | None = None
    """What was reported last."""

    def apply(self, event: LoggedEvent) -> None:
        """Take an event of its job."""
        if self.is_over:
            return
        if event.type == "Submit":
            if self.id is None:
                self.id = event.job
            elif event.job != self.id:
                self.others.append(event.job)
        if event.job != self.id:
            return
        if event.type == "Execute" or event.type in _RUNS_ON:
            self._runs()
            self.host = event.text("SlotName").rpartition("@")[2] or self.host
        elif event.type in _QUEUED_AGAIN:
            self.seen, self.reason, self.failure = Seen.QUEUED, "", ""
        elif event.type == "JobHeld":
            code, subcode = event.number("HoldReasonCode"), event.number("HoldReasonSubCode")
            self._is_held(code, subcode, event.text("HoldReason"))
        elif event.type == "JobTerminated":
            self.is_over = True
            by_signal = event.attributes.get("TerminatedNormally") == "f"
            number = event.number("TerminatedBySignal") if by_signal else event.number("ReturnValue")
            self._ended(by_signal, number or 0)
        elif event.type == "JobAborted":
            self.is_over = True
            self.removed = event.text("Reason") or "it was removed"

    def apply_ad(self, ad: Ad) -> None:
        """Take what the queue says of it: of use when an event was missed."""
        self.missed = 0
        status = ad.get("JobStatus")
        if self.is_over:
            return
        if self.id is None:
            self.id = JobId(int(ad["ClusterId"]), int(ad["ProcId"]))
        if status == HELD:
            self._is_held(ad.get("HoldReasonCode"), ad.get("HoldReasonSubCode"), _line(ad.get("HoldReason")))
        elif status == RUNNING and self.seen is not Seen.RUNNING:
            self._runs()
        elif status == IDLE and self.seen is Seen.QUEUED:
            self.reason = _why_idle(_line(ad.get("LastRejMatchReason")), self.id)

    def apply_history(self, ad: Ad) -> None:
        """Take what the history says of it, after it left the queue."""
        self.is_over = True
        if ad.get("JobStatus") == REMOVED:
            self.removed = _line(ad.get("RemoveReason")) or "it was removed"
        elif ad.get("JobStatus") == COMPLETED:
            by_signal = bool(ad.get("ExitBySignal"))
            self._ended(by_signal, int(ad.get("ExitSignal" if by_signal else "ExitCode") or 0))

    def is_kept(self, reason: str) -> None:
        """Note that the site has its files, and does not give them."""
        self.seen, self.reason = Seen.HELD, reason

    def is_unknown(self, reason: str) -> None:
        """Note why nothing new is known of it, if it waits: whether it still does."""
        if self.seen is Seen.QUEUED:
            self.reason = reason

    def report(self) -> Report | None:
        """Return its state, unless that was reported already."""
        if self.told == (self.seen, self.reason):
            return None
        self.told = self.seen, self.reason
        return self.state()

    def state(self) -> Report:
        """Return its state."""
        host = self.host if self.seen is Seen.RUNNING else ""
        return Report(self.attempt.id, self.seen, None, self.reason, str(self.id or ""), host)

    def _runs(self) -> None:
        self.seen, self.reason, self.failure = Seen.RUNNING, "", ""

    def _is_held(self, code: int | None, subcode: int | None, reason: str) -> None:
        if code == SPOOLING:
            return
        self.seen, self.reason = Seen.HELD, reason or f"hold code {code}"
        self.failure = hold_kind(code, subcode, reason)

    def _ended(self, by_signal: bool, number: int) -> None:
        self.exit_signal = number if by_signal else 0
        self.exit_text = f"signal {number}" if by_signal else f"exit code {number}"


def _why_idle(reason: str, id: JobId) -> str:
    """Return why a job waits; the pool's own words for a request that no machine satisfies are few."""
    if not reason.startswith("no match found"):
        return reason
    return f"{reason}: no machine that is free has what it asks for; `condor_q -better-analyze {id}` says which part of it"


def _line(text: object) -> str:
    return " ".join(str(text or "").split())
