"""No public class of `markab` has the name of another one."""

import ast
from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "markab"

NAMED_BY_PEGASUS = {"Scheduler"}
"""Scripts import this enumeration of the API by its name; the engine's scheduler has it too."""


def public_classes() -> dict[str, set[str]]:
    """Name of each class → the modules that define it."""
    found = defaultdict(set)
    for path in SOURCE.rglob("*.py"):
        for statement in ast.parse(path.read_text()).body:
            if isinstance(statement, ast.ClassDef) and not statement.name.startswith("_"):
                found[statement.name].add(path.relative_to(SOURCE).as_posix())
    return found


def is_mirror(name: str, modules: Collection[str]) -> bool:
    """A builder of the API has the name that Pegasus gives it, and so has its struct in `spec/`."""
    folders = sorted(module.partition("/")[0] for module in modules)
    return folders == ["api", "spec"] or (name in NAMED_BY_PEGASUS and folders == ["api", "engine"])


def shared_names(classes: Mapping[str, Collection[str]]) -> list[str]:
    return [
        f"{name}: {', '.join(sorted(modules))}"
        for name, modules in sorted(classes.items())
        if len(modules) > 1 and not is_mirror(name, modules)
    ]


def test_each_public_class_has_a_name_of_its_own() -> None:
    found = shared_names(public_classes())

    assert not found, "classes of one name in several modules:\n" + "\n".join(found)


def test_a_name_that_is_used_twice_is_reported_unless_the_api_mirrors_a_document() -> None:
    classes = {
        "Attempt": ["executors/base.py", "reports/facts.py"],
        "Site": ["api/site_catalog.py", "spec/model.py"],
        "Use": ["api/files.py", "planner/options.py", "spec/model.py"],
        "Journal": ["journal/writer.py"],
    }

    assert shared_names(classes) == [
        "Attempt: executors/base.py, reports/facts.py",
        "Use: api/files.py, planner/options.py, spec/model.py",
    ]
