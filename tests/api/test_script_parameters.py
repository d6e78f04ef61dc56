"""Parameters of scripts: typed by their defaults, given by the command that runs the script, checked together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from markab.api import PegasusError, parameters
from markab.spec.script_messages import Call, Channel, Declared, Given, Message, WrongParameters


class FakeChannel(Channel):
    """Stands for a command that gave these parameters."""

    told: list[Message]

    def send(self, message: Message) -> None:
        self.told.append(message)


def given(monkeypatch: pytest.MonkeyPatch, **values: str | list[str]) -> list[Message]:
    """Give these parameters; return the list of what the command is told."""
    call = Call("w.py", [Given(name, value, "--set") for name, value in values.items()])
    channel = FakeChannel(-1, call)
    channel.told = []
    monkeypatch.setattr("markab.api.script_parameters.channel", lambda: channel)
    return channel.told


def test_without_a_command_all_have_their_defaults() -> None:
    params = parameters(n=20, method="ols", seed=None, tags=["a"])

    assert {"n": 20, "method": "ols", "seed": None, "tags": ["a"]} == vars(params)


def test_a_required_one_needs_a_command() -> None:
    with pytest.raises(
        PegasusError, match="parameter 'data' has no value and no default\n  hint: start the script"
    ):
        parameters(n=1, data=Path)


@pytest.mark.parametrize(
    ("default", "text", "value"),
    [
        (20, "50", 50),
        (20, "-3", -3),
        (0.5, "1e-3", 0.001),
        (0.5, "2", 2.0),
        ("ols", "3.10", "3.10"),
        ("ols", "", ""),
        ("ols", "a,b", "a,b"),
        (None, "x", "x"),
        (False, "yes", True),
        (True, "FALSE", False),
        (False, "1", True),
        (Path("a"), "b/c", Path("b/c")),
        ([1], "1, 2,3", [1, 2, 3]),
        ((0.5,), ["1", "2"], [1.0, 2.0]),
        ([], ["a", "1,2"], ["a", "1,2"]),
        ([True], "on,off", [True, False]),
        (["a"], "", []),
        (int, "7", 7),
        ([Path], "a", [Path("a")]),
    ],
)  # fmt: skip
def test_a_value_is_read_as_the_type_of_the_default(
    monkeypatch: pytest.MonkeyPatch, default: Any, text: str | list[str], value: Any
) -> None:
    given(monkeypatch, x=text)

    found = parameters(x=default).x

    assert value == found and type(value) is type(found)


def test_the_last_value_given_wins_and_all_values_are_recorded_as_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = given(monkeypatch, n="1")
    call = Call("w.py", [Given("n", "1", "p.yml:1"), Given("n", "2", "--set")])
    channel = FakeChannel(-1, call)
    channel.told = told
    monkeypatch.setattr("markab.api.script_parameters.channel", lambda: channel)

    assert 2 == parameters(n=20, ratio=0.5, flag=True, tags=["a", "b"], seed=None).n
    assert [Declared({"n": "2", "ratio": "0.5", "flag": "true", "tags": "a,b"})] == told


def test_all_that_is_wrong_is_told_with_the_line_of_the_parameter_and_its_type(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = given(monkeypatch, n="many", flag="perhaps", tags="1,x", methdo="ols", ratio=["1"])

    with pytest.raises(SystemExit) as caught:
        parameters(
            n=20,
            flag=False, tags=[1],
            ratio=0.5,
            method="ols",
            data=str,
        )  # fmt: skip

    assert 10 == caught.value.code
    (wrong,) = told
    assert isinstance(wrong, WrongParameters)
    line = wrong.problems[1][3]
    assert [
        ("the script has no parameter 'methdo' (--set)", "did you mean 'method'?", "w.py", 0),
        ("parameter 'n' must be a whole number, and is 'many' (--set)", "its default is 20", "w.py", line),
        ("parameter 'flag' must be true or false, and is 'perhaps' (--set)", "its default is false", "w.py", line + 1),
        ("parameter 'tags' must be a list, each a whole number, and is '1,x' (--set)", "its default is 1", "w.py", line + 1),
        ("parameter 'ratio' must be a number, and is a list, '1' (--set)", "its default is 0.5", "w.py", line + 2),
        ("parameter 'data' has no value; it must be a text", "add --set data=VALUE", "w.py", line + 4),
    ] == wrong.problems  # fmt: skip
    assert "n=20," in Path(__file__).read_text().splitlines()[line - 1]


def test_a_default_of_no_known_type_is_refused() -> None:
    with pytest.raises(TypeError, match=r"parameter 'x' has the default {} \(dict\), but must be a bool"):
        parameters(x={})
