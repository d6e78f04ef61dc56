"""Records in the form of Kickstart."""

from __future__ import annotations

from markab.worker.kickstart_yaml import USAGE
from markab.worker.record import usage_entry
from worker.test_record import USAGE as MEASURED


def test_all_that_is_recorded_of_a_process_has_its_name_in_kickstart() -> None:
    """Kickstart names the members of `struct rusage`, but for `outblock`."""
    ours = usage_entry(MEASURED)

    assert set(USAGE.values()) == set(ours)
    for theirs, name in USAGE.items():
        member = "ru_" + theirs.replace("outblock", "oublock")
        assert ours[name] == getattr(MEASURED, member)
