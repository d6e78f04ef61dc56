"""`markab completion`: the script with which a shell completes Markab's commands."""

from __future__ import annotations

import click

from markab.cli.command import command
from markab.cli.output import echo

WHERE = {
    "bash": 'put `eval "$(markab completion bash)"` into ~/.bashrc',
    "zsh": 'put `eval "$(markab completion zsh)"` into ~/.zshrc',
    "fish": "write it to ~/.config/fish/completions/markab.fish",
}


@command()
@click.argument("shell", type=click.Choice(sorted(WHERE)))
def completion(shell: str) -> None:
    """Print the script with which SHELL completes markab's commands and options.

    \b
    bash: put  eval "$(markab completion bash)"  into ~/.bashrc
    zsh:  put  eval "$(markab completion zsh)"   into ~/.zshrc
    fish: markab completion fish > ~/.config/fish/completions/markab.fish
    """
    from click.shell_completion import get_completion_class

    completer = get_completion_class(shell)
    if completer is None:
        raise click.UsageError(f"this version of click cannot complete for {shell}")
    source = completer(
        click.get_current_context().find_root().command, {}, "markab", "_MARKAB_COMPLETE"
    ).source_vars()
    echo(completer.source_template % source)
