"""What holds for the language of every batch system: nothing that a site or a user says breaks it, or reaches a shell."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markab.executors.base import Seen
from markab.executors.remote.batch_system import BatchElement, BatchJob, BatchSystem, QueueEntry
from markab.executors.remote.batch_systems import LANGUAGES, language
from markab.transfers.error_kinds import ErrorKind

RECORDED = sorted((Path(__file__).parent / "recorded").iterdir())
KINDS = {value for key, value in vars(ErrorKind).items() if key.isupper()} | {""}
HOSTILE = st.text(max_size=40) | st.sampled_from(
    ["$(touch x)", "a\nb; rm -rf /", "\x1b[2J", "-x", "'\"", "a b", "`id`", "\x00", "\udc80"]
)
every = pytest.mark.parametrize("system", [language(name) for name in LANGUAGES], ids=list(LANGUAGES))


def checked(found: dict[BatchElement, QueueEntry]) -> None:
    """What is read can be shown and compared, whatever was there."""
    for element, entry in found.items():
        assert element.position >= 0 and re.fullmatch(r"[\w.\[\]@-]+", element.native_id, re.ASCII), element
        assert entry.seen in (Seen.QUEUED, Seen.HELD, Seen.RUNNING, Seen.ENDED)
        assert entry.kind in KINDS and (entry.seen is Seen.ENDED or not entry.kind)
        for text in (entry.reason, entry.host):
            assert not re.search(r"[\x00-\x1f\x7f-\x9f]", text)


def read(system: BatchSystem, text: str) -> dict[BatchElement, QueueEntry]:
    found = system.read_queue(text) | system.read_ended(text)
    checked(found)
    return found


@every
def test_a_language_has_the_name_by_which_it_is_found(system: BatchSystem) -> None:
    assert LANGUAGES[system.name]
    assert system.title and system.programs


@every
@given(text=st.text())
def test_any_text_can_be_read(system: BatchSystem, text: str) -> None:
    read(system, text)
    assert system.most_elements(text) >= 1
    system.is_busy(text)
    try:
        assert system.read_submitted(text)
    except ValueError:
        pass


@every
@pytest.mark.parametrize("recording", RECORDED, ids=lambda path: path.name)
@given(data=st.data())
def test_an_answer_that_is_cut_is_part_of_the_whole(
    system: BatchSystem, recording: Path, data: st.DataObject
) -> None:
    """Of every program's answer, also of another system. An element is never told otherwise by a part, but in its last words."""
    text = recording.read_text()
    whole = read(system, text)

    part = read(system, text[: data.draw(st.integers(0, len(text)))])

    assert len(whole.keys() - part.keys()) == len(whole) - len(part)
    assert all(whole[element].seen is entry.seen for element, entry in list(part.items())[:-1])


@every
@pytest.mark.parametrize("recording", RECORDED, ids=lambda path: path.name)
@given(data=st.data())
def test_an_answer_with_damage_is_read(system: BatchSystem, recording: Path, data: st.DataObject) -> None:
    text = recording.read_text()
    at = data.draw(st.integers(0, len(text)))
    to = data.draw(st.integers(at, min(len(text), at + 50)))

    read(system, text[:at] + data.draw(HOSTILE) + text[to:])


@every
@given(comment=HOSTILE, queue=HOSTILE, project=HOSTILE, argument=HOSTILE)
def test_what_a_user_writes_stays_a_word_of_the_command(
    system: BatchSystem, comment: str, queue: str, project: str, argument: str
) -> None:
    asked = BatchJob(
        "mk-1", 1, "/b/r.sh", "/b/out", comment=comment, queue=queue, project=project, arguments=[argument]
    )

    script = system.script(asked, "exec true")
    command = system.submit(asked)

    assert script == system.script(BatchJob("mk-1", 1, "/b/r.sh", "/b/out"), "exec true"), (
        "it is no line of the script"
    )
    assert not any(re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", word) for word in command.argv)
    assert command.argv[0] == system.programs[0]
    # A shell of another machine takes them as they are.
    assert shlex.split(shlex.join(command.argv)) == command.argv


@every
def test_the_user_and_the_names_are_words_of_the_listing(system: BatchSystem) -> None:
    argv = system.queue("a b'$(id)", ["mk-1", "mk-2"]).argv

    assert sum("a b'$(id)" in word for word in argv) <= 1
    assert not any("$(id)" in word for word in argv if word.startswith(("for ", "ids=", "set ")))


@every
def test_many_elements_are_cancelled_by_commands_that_are_short_enough(system: BatchSystem) -> None:
    elements = [BatchElement(str(job), position) for job in range(20) for position in range(0, 5000, 2)]

    commands = system.cancel(elements)

    assert commands and all(sum(len(word) + 1 for word in command.argv) < 64_000 for command in commands)


@every
def test_nothing_to_cancel_is_no_command(system: BatchSystem) -> None:
    assert system.cancel([]) == []
