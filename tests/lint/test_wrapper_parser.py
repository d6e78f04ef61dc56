import pytest

from markab.lint.wrapper_parser import WrongArguments, read_parser

PROGRAM = """
import argparse
def options(p):
    g = p.add_mutually_exclusive_group(required=True)
    g.add_argument("--fast", action="store_true")
    g.add_argument("--slow", action="store_true")
def main(argv=None):
    parser = argparse.ArgumentParser(description="x" + __doc__)
    parser.add_argument("data", nargs="+", type=open)
    parser.add_argument("-n", "--number", type=int, choices=[1, 2], required=True, help=f"{main}")
    parser.add_argument("--rest", nargs=argparse.REMAINDER)
    parser.add_argument("--flag", action=argparse.BooleanOptionalAction)
    options(parser)
    return parser.parse_args(argv)
"""


def refusal(words: str, program: str = PROGRAM) -> str:
    parser = read_parser(program)
    assert parser is not None
    try:
        parser.parse(words.split())
    except WrongArguments as error:
        return str(error)
    return ""


def test_what_a_program_accepts_is_read_from_its_text() -> None:
    assert refusal("a b --number 1 --fast") == ""
    assert refusal("a -n2 --slow --no-flag") == ""
    assert refusal("-n 1 --fast a --rest --anything") == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("a -n 1 --fast --colour red", "unrecognized arguments: --colour red"),
        ("-n 1 --fast", "the following arguments are required: data"),
        ("a --fast", "required: -n/--number"),
        ("a --fast -n", "expected one argument"),
        ("a --fast -n two", "invalid int value: 'two'"),
        ("a --fast -n 3", "invalid choice: 3"),
        ("a -n 1", "one of the arguments --fast --slow is required"),
        ("a -n 1 --fast --slow", "not allowed with argument"),
    ],
)
def test_what_it_would_refuse_is_refused(words: str, message: str) -> None:
    assert message in refusal(words)


def test_help_and_version_are_no_mistakes(capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal("--help") == ""
    assert capsys.readouterr() == ("", "")


def test_an_option_that_is_added_under_a_condition_is_never_required() -> None:
    program = """
import argparse, sys
p = argparse.ArgumentParser()
if sys.platform == "linux":
    p.add_argument("--cpus", required=True)
p.parse_args()
"""
    assert refusal("", program) == ""
    assert refusal("--cpus 3", program) == ""
    assert refusal("--gpus 3", program)


def test_unknown_options_are_fine_for_a_program_that_takes_them() -> None:
    program = "import argparse\np = argparse.ArgumentParser()\np.add_argument('x')\np.parse_known_args()\n"
    assert refusal("a --whatever", program) == ""
    assert "required: x" in refusal("", program)


@pytest.mark.parametrize(
    "body",
    [
        "for n in names: p.add_argument(n)",
        "p.add_argument(NAME)",
        "p.add_argument('-x', **keywords)",
        "p.add_argument('-x', nargs=N)",
        "p.add_argument('-x', action=Mine)",
        "p.add_subparsers()",
        "q = argparse.ArgumentParser()",
        "class P(argparse.ArgumentParser): pass",
        "[p.add_argument(n) for n in '-a -b'.split()]",
        "p.add_argument('-x', nargs='what')",
        "def never(p): p.add_argument('-x', required=True)",
        "def twice(n): p.add_argument(n)\ntwice('-a')\ntwice('-b')",
    ],
)
def test_a_program_whose_text_does_not_tell_is_not_judged(body: str) -> None:
    assert read_parser(f"import argparse\np = argparse.ArgumentParser()\n{body}\np.parse_args()\n") is None


def test_no_parser_is_made_of_what_is_none() -> None:
    assert read_parser("print('ArgumentParser'") is None
    assert read_parser("import sys\n") is None
    assert read_parser("import argparse\np = argparse.ArgumentParser(parents=[x])\np.parse_args()") is None
    assert read_parser("import argparse\np = argparse.ArgumentParser()") is None
