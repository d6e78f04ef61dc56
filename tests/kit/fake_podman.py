"""A `podman` that keeps images in a directory and starts nothing: for tests of what is asked of it."""

from __future__ import annotations

from pathlib import Path

import pytest

_PROGRAM = r"""#!/bin/sh
# Images are files in $FAKE_PODMAN/images whose name is that of the image, with = for /; each has its id.
echo "$@" >> "$FAKE_PODMAN/calls"
cd "$FAKE_PODMAN/images"
file() { echo "$1" | tr / =; }
case $1 in
  --version) echo "podman version 4" ;;
  image) cat "$(file "$5")" 2>/dev/null || { echo "Error: $5: image not known" >&2; exit 125; } ;;
  pull)
    [ -e ../refuses ] && { cat ../refuses >&2; exit 125; }
    echo "id of $3" > "$(file "$3")" ;;
  save) cat "$(file "$2")" ;;
  load)
    [ -e ../refuses ] && { cat ../refuses >&2; exit 125; }
    echo "id of $4" > "$(file localhost/tool:1)"; echo "Loaded image: localhost/tool:1" ;;
  tag) # Of a name, or of an id, which an image without a name keeps.
    if [ -e "$(file "$2")" ]; then cp "$(file "$2")" "$(file "$3")"; else echo "$2" > "$(file "$3")"; fi ;;
  rmi) rm "$(file "$2")" ;;
  images) ls | tr = / | grep "^${3#reference=}:" || true ;;
  rm) ;;
  inspect) cat ../state 2>/dev/null || { echo "Error: no such container" >&2; exit 125; } ;;
  *) exit 125 ;;
esac
"""


class FakePodman:
    """The directory of one, which is first on PATH."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        (directory / "images").mkdir(parents=True)
        (directory / "bin").mkdir()
        program = directory / "bin" / "podman"
        program.write_text(_PROGRAM)
        program.chmod(0o755)
        monkeypatch.setenv("FAKE_PODMAN", str(directory))
        monkeypatch.setenv("PATH", f"{directory / 'bin'}:/usr/bin:/bin")

    @property
    def images(self) -> dict[str, str]:
        """The images: name → id."""
        files = sorted((self.directory / "images").iterdir())
        return {file.name.replace("=", "/"): file.read_text().strip() for file in files}

    def has(self, name: str, image_id: str) -> None:
        """Let an image of that name be there."""
        (self.directory / "images" / name.replace("/", "=")).write_text(f"{image_id}\n")

    def refuses(self, text: str) -> None:
        """Let pulls and loads fail with this error."""
        (self.directory / "refuses").write_text(text)

    def says(self, state: str) -> None:
        """Let `inspect` print this of any container."""
        (self.directory / "state").write_text(f"{state}\n")

    @property
    def calls(self) -> list[str]:
        """The commands so far, each as one text."""
        path = self.directory / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def count(self, command: str) -> int:
        """Return how often a command was given."""
        return sum(call.split()[0] == command for call in self.calls)
