"""Split a command line into words where the job runs.

A command line has the meaning that POSIX shells give to words, and nothing else
of a shell:

- words are separated by blanks, tabs and newlines;
- `'…'` takes everything as it is; `"…"` takes everything but `$`, and `\\` before
  one of `$ ` " \\`; a `\\` elsewhere takes the next character as it is;
- `$NAME` and `${NAME}` are replaced from the environment, except in `'…'`; an unset
  one is empty. What was put in is not split again. A word made of nothing but
  unquoted empty variables vanishes, as in a shell;
- `*`, `|`, `>`, `;`, `$(…)`, back quotes and `~` are plain text.
"""

import re
from typing import List, Mapping, Tuple

_WORD = re.compile(r"[^ \t\n]+")
_SPECIAL = re.compile(r"['\"\\$]")
_PLAIN = re.compile(r"[^ \t\n'\"\\$]+")
_IN_DOUBLE = re.compile(r"[^\"\\$]+")
_VARIABLE = re.compile(r"\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})")


def split_words(line: str, environ: Mapping[str, str]) -> List[str]:
    """Return the words of `line`; see the top of this file for the rules.

    Raises:
        ValueError: a quote is never closed; the message names its position, counted from 1.
    """
    if _SPECIAL.search(line) is None:
        return _WORD.findall(line)
    words = []
    at = 0
    while at < len(line):
        if line[at] in " \t\n":
            at += 1
            continue
        text, at, is_word = _one_word(line, at, environ)
        if text or is_word:
            words.append(text)
    return words


def _one_word(line: str, at: int, environ: Mapping[str, str]) -> Tuple[str, int, bool]:
    """Return the word that starts at `at`, where it ends, and whether it stands even when empty."""
    parts = []
    quoted = False
    while at < len(line) and line[at] not in " \t\n":
        char = line[at]
        if char == "'":
            end = line.find("'", at + 1)
            if end < 0:
                raise _unbalanced("'", at)
            parts.append(line[at + 1 : end])
            at = end + 1
            quoted = True
        elif char == '"':
            text, at = _in_double_quotes(line, at, environ)
            parts.append(text)
            quoted = True
        elif char == "\\":
            # A newline after a backslash joins two lines; a lone backslash at the end is itself.
            next_char = line[at + 1 : at + 2]
            parts.append("" if next_char == "\n" else next_char or "\\")
            at += 2
        elif char == "$":
            text, at = _variable(line, at, environ)
            parts.append(text)
        else:
            plain = _PLAIN.match(line, at)
            assert plain is not None
            parts.append(plain.group())
            at = plain.end()
    return "".join(parts), at, quoted


def _in_double_quotes(line: str, start: int, environ: Mapping[str, str]) -> Tuple[str, int]:
    parts: List[str] = []
    at = start + 1
    while at < len(line):
        char = line[at]
        if char == '"':
            return "".join(parts), at + 1
        if char == "$":
            text, at = _variable(line, at, environ)
            parts.append(text)
        elif char == "\\":
            next_char = line[at + 1 : at + 2]
            if next_char == "\n":
                pass
            elif next_char and next_char in '$`"\\':
                parts.append(next_char)
            else:
                parts.append("\\" + next_char)
            at += 2
        else:
            plain = _IN_DOUBLE.match(line, at)
            assert plain is not None
            parts.append(plain.group())
            at = plain.end()
    raise _unbalanced('"', start)


def _variable(line: str, at: int, environ: Mapping[str, str]) -> Tuple[str, int]:
    match = _VARIABLE.match(line, at)
    if match is None:
        return "$", at + 1
    return environ.get(match.group(1) or match.group(2), ""), match.end()


def _unbalanced(quote: str, at: int) -> ValueError:
    return ValueError("the quote %s at character %d is never closed" % (quote, at + 1))
