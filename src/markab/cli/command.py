"""The click command class of all commands: errors become exit codes, and some options may have no value."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import click

from markab.cli.errors import report
from markab.cli.output import ReaderGone, echo, guard_stdout
from markab.errors import INTERRUPTED, MarkabError

BEHIND_DASHES = "markab.behind_dashes"
"""Key in the context: how many words stand behind `--`."""
ALONE = "*"
"""Value of an option that was given without a value."""


class OptionalValue:
    """An option whose value is optional, such as `--randomdir` and `-w`.

    click takes the next word as the value in any case; here a word is the value only
    if it is joined (`-rNAME`, `--randomdir=NAME`) or looks like a value.
    """

    def __init__(self, short: str, long: str, default: str = ALONE, looks_like_value: str = r"(?!)") -> None:
        """Without a letter, `short` is empty."""
        letters = "[a-zA-Z]*" if default != ALONE else ""
        self._word = re.compile(f"-{letters}{short}" if short else r"(?!)")
        self._long = f"--{long}"
        self._default = default
        self._value = re.compile(looks_like_value)

    def fill(self, words: Sequence[str]) -> list[str]:
        """Return the command line with the default joined to each use that has no value."""
        filled: list[str] = []
        for position, word in enumerate(words):
            if word == "--":
                return [*filled, *words[position:]]
            following = words[position + 1] if position + 1 < len(words) else ""
            if self._value.fullmatch(following):
                filled.append(word)
            elif word == self._long:
                filled.append(f"{word}={self._default}")
            elif self._word.fullmatch(word):
                filled.append(word + self._default)
            else:
                filled.append(word)
        return filled


class Command(click.Command):
    """A command that returns its exit code (None is 0); its errors are printed and become exit codes."""

    optional_values: Sequence[OptionalValue] = ()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, after adding the defaults of options without a value."""
        ctx.meta[BEHIND_DASHES] = len(args) - args.index("--") - 1 if "--" in args else 0
        args = spelled_out(args, [n for p in self.params for n in (*p.opts, *p.secondary_opts)])
        for option in self.optional_values:
            args = option.fill(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Call the function; its return value or its error becomes the exit code."""
        try:
            code = super().invoke(ctx)
            sys.stdout.flush()
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except (Exception, KeyboardInterrupt) as error:
            params: Mapping[str, Any] = ctx.params
            verbose = int(bool(params.get("verbose") or params.get("debug")))
            code = report(error, json=bool(params.get("as_json")), verbose=verbose)
        if code:
            ctx.exit(code)


def command(
    *optional_values: OptionalValue, **attributes: Any
) -> Callable[[Callable[..., int | None]], Command]:
    """Make a `Command` from a function; `optional_values` are its options whose value is optional."""

    def decorate(function: Callable[..., int | None]) -> Command:
        settings = {"help_option_names": ["-h", "--help"]} | attributes.pop("context_settings", {})
        made = click.command(cls=Command, context_settings=settings, **attributes)(function)
        made.optional_values = optional_values
        return made

    return decorate


def words_behind_dashes() -> int:
    """Return how many words stand behind `--` on the present command line."""
    return int(click.get_current_context().meta[BEHIND_DASHES])


def launch(made: click.Command, name: str, *, plain_codes: bool = False) -> NoReturn:
    """Run a command as a program; with `plain_codes` it exits only with 0, 1 or 2, as Pegasus' commands do."""
    guard_stdout()
    try:
        result = made.main(prog_name=name, standalone_mode=False)
        code = result if isinstance(result, int) else 0
    except click.UsageError as error:
        _show_usage_error(error)
        code = error.exit_code
    except click.ClickException as error:
        echo(f"error: {error.format_message()}", err=True)
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        echo("interrupted", err=True)
        code = INTERRUPTED
    except (MarkabError, ReaderGone) as error:  # of `--help`, which click prints
        code = report(error)
    sys.exit(min(code, 1) if plain_codes and code != 2 else code)


def spelled_out(words: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the command line with abbreviated long options written out, as in getopt: `--site` for `--sites`.

    An ambiguous abbreviation is left as it is, and rejected later.
    """
    spelled: list[str] = []
    for position, word in enumerate(words):
        if word == "--":
            return [*spelled, *words[position:]]
        name, equals, value = word.partition("=")
        if len(name) > 3 and name.startswith("--") and name not in names:
            meant = [known for known in names if known.startswith(name)]
            name = meant[0] if len(meant) == 1 else name
        spelled.append(name + equals + value)
    return spelled


def _show_usage_error(error: click.UsageError) -> None:
    path = error.ctx.command_path if error.ctx else "markab"
    echo(f"error: {error.format_message()}", err=True)
    echo(f"  hint: `{path} --help` lists its arguments and options", err=True)
