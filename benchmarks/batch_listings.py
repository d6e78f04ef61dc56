"""What watching a large queue costs: one status call of a batch system that has 100,000 waiting elements, and reading its answer.

    python benchmarks/batch_listings.py [ELEMENTS]

The fake scheduler of the tests prints what each real program would, as 100 arrays where the system has arrays. `read` is processor time
of the engine's process, `of a core` what that would be at one call in 15 s; the executor keeps it below 4 %, for it asks less often for a
listing that takes longer to read. `command` is wall time of the fake program, which does not count. A real `qstat -f` of PBS or Torque
tells some 40 things of each element, not 4, and reading takes that much longer. The reference is to split each line at the bars and to
keep the words, which is the least that any reader does.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from kit.fake_scheduler.scheduler import fake_scheduler
from markab.executors.remote.batch_systems import LANGUAGES, language

EVERY_S = 15.0
ROUNDS = 5


def measure(system: str, elements: int, top: Path) -> tuple[float, float, float, float]:
    """Return MB of the answer, wall seconds of the command, and processor seconds of reading it and of the reference."""
    spoken = language(system)
    user = pwd.getpwuid(os.getuid()).pw_name
    most = 1000 if spoken.most_elements("") > 1 else 1
    names = [f"mk-{'ab' * 4}-{number}" for number in range(elements // most)]
    with fake_scheduler(top / system, system, max_array=most) as site:
        site.add_waiting_jobs(names, most, user)
        command = spoken.queue(user, names[:100])
        started_s = time.perf_counter()
        text = subprocess.run(
            command.argv, env=site.environment(), stdout=subprocess.PIPE, text=True, check=True
        ).stdout
        command_s = time.perf_counter() - started_s
    taken = []
    plain = []
    for _ in range(ROUNDS):
        started_s = time.process_time()
        found = spoken.read_queue(text)
        taken.append(time.process_time() - started_s)
        assert len(found) == elements, f"{system}: {len(found)} of {elements}"
        started_s = time.process_time()
        kept = [line.split("|") for line in text.split("\n")]
        plain.append(time.process_time() - started_s)
        del found, kept
    return len(text) / 1e6, command_s, min(taken), min(plain)


def main() -> None:
    elements = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    print(f"{elements:,} waiting elements, one call; best of {ROUNDS}")
    print(f"{'system':<10}{'answer':>10}{'command':>10}{'read':>10}{'of a core':>11}{'lines split':>13}")
    with tempfile.TemporaryDirectory(prefix="markab-bench-") as top:
        for system in LANGUAGES:
            megabytes, command_s, read_s, plain_s = measure(system, elements, Path(top))
            share = f"{100 * read_s / EVERY_S:.1f} %"
            print(
                f"{system:<10}{megabytes:>7.1f} MB{command_s:>8.2f} s{read_s:>8.3f} s{share:>11}{plain_s:>11.3f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
