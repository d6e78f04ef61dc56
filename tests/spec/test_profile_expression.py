"""Expressions in profiles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markab.errors import DocumentError
from markab.spec.profile_expression import LONGEST, WrongExpression, evaluate
from markab.spec.profiles import resources

NAMES = {"pegasus_cores": 4, "pegasus_site": "Big"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3 - 8 / 4 % 3", 5),
        ("-(2 - 5) * 1.5e1", 45),
        ("pegasus_cores * 2", 8),
        ("PEGASUS_CORES", 4),
        ('pegasus_site == "big" ? 16 : 2', 16),
        ("ifThenElse(pegasus_cores > 4, 1, max(2, 3, 1))", 3),
        ("true && !false || 1 / 1 == 0", 1),
        ("ceiling(1.2) + floor(1.8) + round(2.6) + int(3.9)", 9),
        ("1 < 2 ? 2 < 1 ? 1 : 2 : 3", 2),
    ],
)
def test_an_expression_has_the_value_that_it_has_in_classads(text: str, value: float) -> None:
    assert evaluate(text, NAMES) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1 +", "it ends too early at character 4"),
        ("2 maxrss", "unexpected 'maxrss' at character 3"),
        ("exitcode * 2", "the name 'exitcode' is not known when planning at character 1"),
        ("1 / 0", "division by 0"),
        ("__import__('os')", 'unexpected "\'" at character 12'),
        ("open(1)", "there is no function 'open' with so many arguments at character 1"),
        ("(1", "expected ')', not 'the end' at character 3"),
        ('"a" * 2', "expected a number, not the text 'a'"),
        ('1 == "a"', "a number is compared with a text"),
        ("min()", "there is no function 'min'"),
        ("(" * 200, "it is nested too deeply"),
        ("1 ? " * 200, "it is nested too deeply"),
        ("- " * 200 + "1", "it is nested too deeply"),
        ("1" * (LONGEST + 1), "at most 10,000 are allowed"),
        ("int(1e999)", "'int' is computed of numbers"),
    ],
)
def test_what_has_no_value_is_an_error_with_its_place(text: str, why: str) -> None:
    with pytest.raises(WrongExpression) as caught:
        evaluate(text, NAMES)

    assert why in str(caught.value)


@given(st.text(alphabet='0123456789.eE+-*/%<>=!?:&|(), "\npegasus_coresminifThenElse', max_size=60))
def test_any_text_has_a_value_or_is_an_error(text: str) -> None:
    try:
        assert isinstance(evaluate(text, NAMES), (int, float, str))
    except WrongExpression:
        pass


@given(
    st.recursive(
        st.integers(0, 99).map(str),
        lambda one: st.builds("({} {} {})".format, one, st.sampled_from("+-*"), one),
    )
)
def test_sums_and_products_are_those_of_python(text: str) -> None:
    assert evaluate(text, {}) == eval(text)


def test_resources_are_computed_from_what_the_other_profiles_request() -> None:
    found = resources(
        {
            "pegasus": {
                "cores": "3",
                "cores.expr": 'pegasus_cores + (pegasus_site == "big")',
                "memory": "1 GB",
                "memory.expr": "pegasus_memory_mb * 1.5 + 0.5",
                "diskspace.expr": "10",
                "gpus.expr": "0",
                "runtime.expr": "job_retry * 10 + 0.5",
            }
        },
        names={"pegasus_site": "big"},
    )

    assert (found.cores, found.memory_mb, found.disk_mb, found.gpus, found.runtime_s) == (4, 1537, 10, 0, 0.5)


@pytest.mark.parametrize(
    ("key", "text", "why"),
    [
        ("cores.expr", "0", "its value is 0.0; it must be a number from 1"),
        ("memory.expr", '"much"', "its value is 'much'; it must be a number from 0"),
        ("cores.expr", "9" * 20, "its value is 1e+20; it must be a number from 1 to 1,000,000,000,000,000"),
        ("gpus.expr", "1 +", "it ends too early at character 4"),
        ("runtime.expr", "1e300 * 1e300", "its value is inf"),
    ],
)
def test_a_wrong_expression_is_an_error_that_names_job_and_key(key: str, text: str, why: str) -> None:
    with pytest.raises(DocumentError) as caught:
        resources({"pegasus": {key: text}}, "j")

    (problem,) = caught.value.problems
    assert problem.message.startswith(f"profile pegasus.{key} of job 'j' is {text!r}, which has no value: ")
    assert why in problem.message
