"""`markab completion`: the script with which a shell completes Markab's commands, and its answers to that script.

The script calls `markab` with `_MARKAB_COMPLETE=<shell>_complete`, the line in COMP_WORDS, and in
COMP_CWORD the number of the word that is completed (of fish: the word). Each answer has a type: a
`plain` value, a `path`, or the request that the shell itself completes directories (`dir`) or files (`file`).
"""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    split_arg_string,
)

from markab.cli.command import command
from markab.cli.output import echo

BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' type value
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
            dir) compopt -o plusdirs ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("$value"); [[ $value == *= ]] && compopt -o nospace ;;
            path) compopt -o filenames; COMPREPLY+=("$value") ;;
        esac
    done < <(COMP_WORDS="${COMP_LINE:0:COMP_POINT}" COMP_CWORD=last %(complete_var)s=bash_complete "$1" 2>/dev/null)
    return 0
}
complete -o bashdefault -o default -o nosort -F %(complete_func)s %(prog_name)s
"""
"""`COMP_CWORD=last`: the word at the end of the line, as bash itself splits words at `=` and `:`."""

ZSH = """\
#compdef %(prog_name)s

%(complete_func)s() {
    local -a response plain described
    local type key descr found=1
    response=("${(@f)$(COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT-1)) \\
        %(complete_var)s=zsh_complete %(prog_name)s 2>/dev/null)}")
    [[ $PREFIX == --*=* ]] && compset -P '*='
    for type key descr in ${response}; do
        case $type in
            dir) _files -/ && found=0 ;;
            file) _files && found=0 ;;
            plain|path) if [[ $descr == _ ]]; then plain+=("$key"); else described+=("$key:$descr"); fi ;;
        esac
    done
    (( $#described )) && _describe -V unsorted described -U && found=0
    (( $#plain )) && compadd -U -V unsorted -a plain && found=0
    (( found )) && [[ $PREFIX != -* ]] && _files && found=0
    return found
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
    compdef %(complete_func)s %(prog_name)s
fi
"""

FISH = """\
function %(complete_func)s
    set -l token (commandline -ct)
    set -l option (string match -r -- '^--[^=]*=' $token)
    set -q option[1]; or set option ''
    set -l word (string replace -r -- '^--[^=]*=' '' $token)
    for completion in (%(complete_var)s=fish_complete COMP_WORDS=(commandline -cp) COMP_CWORD=$token %(prog_name)s 2>/dev/null)
        set -l parts (string split -m 1 , -- $completion)
        switch $parts[1]
            case dir
                printf '%%s\\n' $option(__fish_complete_directories $word '')
            case file
                printf '%%s\\n' $option(__fish_complete_path $word)
            case plain path
                printf '%%s\\n' $option$parts[2]
        end
    end
end

complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""


class _WithFiles(ShellComplete):
    """Completes files where Markab knows no value: a free text is often a path."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[Any]]:
        """Return what can stand at the end of the line."""
        found = super().get_completions(args, incomplete)
        option, equals, value = incomplete.partition("=")
        if equals and option.startswith("--"):
            incomplete = value
        elif not args or incomplete.startswith("-"):
            return found
        return found or [CompletionItem(incomplete, type="file")]


class Bash(_WithFiles, BashComplete):
    """Completion for bash."""

    source_template = BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the one that is completed, and that word."""
        import os

        if os.environ["COMP_CWORD"] != "last":
            return super().get_completion_args()
        line = os.environ["COMP_WORDS"]
        words = split_arg_string(line)[1:]
        if line[-1:].isspace() and not line.endswith("\\ "):
            return words, ""
        return words[:-1], words[-1] if words else ""


class Zsh(_WithFiles, ZshComplete):
    """Completion for zsh."""

    source_template = ZSH


class Fish(_WithFiles, FishComplete):
    """Completion for fish."""

    source_template = FISH


SHELLS: dict[str, type[ShellComplete]] = {"bash": Bash, "fish": Fish, "zsh": Zsh}


def complete(program: click.Command, name: str, variable: str, requested: str) -> None:
    """Answer the script of a shell."""
    from click.shell_completion import shell_complete

    for shell, completer in SHELLS.items():
        add_completion_class(completer, shell)
    shell_complete(program, {}, name, variable, requested)


@command()
@click.argument("shell", type=click.Choice(sorted(SHELLS)))
def completion(shell: str) -> None:
    """Print the script with which SHELL completes commands, options, their values, jobs, runs and files.

    \b
    bash: put  eval "$(markab completion bash)"  into ~/.bashrc
    zsh:  put  eval "$(markab completion zsh)"   into ~/.zshrc
    fish: markab completion fish > ~/.config/fish/completions/markab.fish
    """
    program = click.get_current_context().find_root().command
    completer = SHELLS[shell](program, {}, "markab", "_MARKAB_COMPLETE")
    echo(completer.source_template % completer.source_vars())
