"""The progress of a run as a widget: the browser moves the bar smoothly, and advances the clock between two statuses.

Needs anywidget, which is imported only when a widget is made.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

ESM = """\
function render({ model, el }) {
  const parse = (html) => new DOMParser().parseFromString(html, "text/html").body.firstElementChild;
  let shown = parse(model.get("html"));
  let came = Date.now();
  el.replaceChildren(shown);

  function take() {
    const next = parse(model.get("html"));
    const named = (root, kind) => new Map([...root.querySelectorAll(`[data-${kind}]`)].map((e) => [e.dataset[kind], e]));
    const cells = named(shown, "cell"), texts = named(shown, "text");
    for (const [name, cell] of named(next, "cell")) cells.get(name).style.width = cell.style.width;
    for (const [name, text] of named(next, "text")) texts.get(name).replaceChildren(...text.childNodes);
    shown.dataset.elapsed = next.dataset.elapsed;
    shown.dataset.over = next.dataset.over;
    came = Date.now();
  }

  function tick() {
    const clock = shown.querySelector('[data-text="clock"]');
    if (!clock || shown.dataset.over === "1" || shown.dataset.elapsed === "") return;
    const whole = Math.round(Number(shown.dataset.elapsed) + (Date.now() - came) / 1000);
    if (whole < 10) return;
    const two = (n) => String(n).padStart(2, "0");
    const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60, seconds = whole % 60;
    clock.textContent = whole < 60 ? `${whole} s`
      : hours ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
  }

  model.on("change:html", take);
  const timer = setInterval(tick, 500);
  return () => { clearInterval(timer); model.off("change:html", take); };
}
export default { render };
"""

CSS = "[data-cell] { transition: width 0.4s ease-out; }"


def make_widget(html: str) -> Any:
    """Return a widget that shows HTML of `progress_html`; setting its `html` replaces it."""
    anywidget, traitlets = import_module("anywidget"), import_module("traitlets")
    members = {
        "_esm": ESM,
        "_css": CSS,
        "html": traitlets.Unicode("").tag(sync=True),
    }
    kind = type("MarkabProgress", (anywidget.AnyWidget,), members)
    return kind(html=html)
