"""Output in the cell of a notebook; without a running notebook there is none.

IPython is used only if it is already imported, so a script does not load it. The
running cell draws everything, without threads. Each output has plain text beside its
HTML or picture, for viewers without a browser.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markab.operations import Status


NO_LONGER_WATCHED = '<div style="opacity:.7">no longer watched; the run continues</div>'


def kernel() -> Any:
    """Return the IPython shell of the running notebook; None in a script, and in IPython in a terminal."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell if getattr(shell, "kernel", None) is not None else None


def current_cell() -> int | None:
    """Return the number of the running cell, or None outside a notebook."""
    shell = kernel()
    return None if shell is None else int(shell.execution_count)


def show_html(html: str, text: str) -> None:
    """Show HTML below the cell, and text in viewers without HTML."""
    _display()({"text/html": html, "text/plain": text}, raw=True)


def show_picture(svg: str, text: str) -> None:
    """Show a picture below the cell, and text in viewers without pictures."""
    _display()({"image/svg+xml": svg, "text/plain": text}, raw=True)


@contextmanager
def live(clock: Callable[[], float] = time.time) -> Iterator[Callable[[Status], None]]:
    """Yield a function that shows a status in place of the previous one.

    With anywidget the browser updates bar and clock; without it the output is
    replaced. In both cases plain HTML remains, so that the notebook shows the end of
    the run when it is opened again.
    """
    from markab.api.notebook_html import progress_html
    from markab.api.progress_bar import bar

    # The display id is set here, because an interrupt may come while the first output is sent.
    output = {"raw": True, "display_id": os.urandom(16).hex()}
    widget: Any = None
    last: dict[str, str] = {}

    def show(status: Status) -> None:
        nonlocal widget
        is_first = not last
        last["text/html"], last["text/plain"] = progress_html(status, clock()), bar(status, colour=False)
        if is_first:
            widget = _make_widget(last["text/html"])
            _display()({**_as_widget(widget), **last}, **output)
        elif widget is None:
            _display()(last, update=True, **output)
        else:
            widget.html = last["text/html"]

    try:
        yield show
    except KeyboardInterrupt:
        last["text/html"] = last.get("text/html", "") + NO_LONGER_WATCHED
        raise
    finally:
        try:
            if last:
                _display()(last, update=True, **output)
        finally:
            if widget is not None:
                widget.close()


def _display() -> Callable[..., Any]:
    function: Callable[..., Any] = import_module("IPython.display").display
    return function


def _as_widget(widget: Any) -> dict[str, Any]:
    """Return the MIME bundle of a widget; in some releases it is the first part of a tuple."""
    found = None if widget is None else widget._repr_mimebundle_()
    return dict(found[0] if isinstance(found, tuple) else found or {})


def _make_widget(html: str) -> Any:
    """Return the live widget, or None if anywidget is not installed."""
    if find_spec("anywidget") is None:
        return None
    from markab.api.notebook_widget import make_widget

    return make_widget(html)
