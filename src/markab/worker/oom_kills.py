"""Whether the kernel killed a process for lack of memory, as its counters say.

The kernel counts the processes that it kills so: for each control group, and for the machine. A
process that was killed by SIGKILL, by nobody that we know of, while the counter rose by one, was such a process.
Counters are read at the beginning, and then only after a SIGKILL.
"""

import re
from typing import List

_GROUP = re.compile(r"^\d+:(?P<controllers>[^:]*):(?P<path>.*)$", re.MULTILINE)
_COUNT = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


class OomKills(object):
    """The kills that were counted since this object was made, each to be claimed once."""

    def __init__(self, root: str = "/") -> None:
        self._root = root
        self._claimed = self._count()
        """How many are of the past, or were claimed."""

    def claim(self) -> bool:
        """Return whether there was a kill that nobody claimed, and claim it."""
        count = self._count()
        if count <= self._claimed:
            self._claimed = count
            return False
        self._claimed += 1
        return True

    def _count(self) -> int:
        """Return the count of our control group, else that of the machine; 0 if there is none."""
        for path in self._places():
            found = _COUNT.search(self._text(path))
            if found:
                return int(found.group(1))
        return 0

    def _places(self) -> List[str]:
        places = []
        for group in _GROUP.finditer(self._text("proc/self/cgroup")):
            path = group.group("path").strip("/")
            if not group.group("controllers"):
                places.append("sys/fs/cgroup/%s/memory.events" % path)
            elif "memory" in group.group("controllers").split(","):
                places.append("sys/fs/cgroup/memory/%s/memory.oom_control" % path)
        return [*places, "proc/vmstat"]

    def _text(self, path: str) -> str:
        try:
            with open(self._root + path, encoding="ascii", errors="replace") as file:
                return file.read()
        except OSError:  # not this version of control groups, or not this system
            return ""
