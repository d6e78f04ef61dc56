"""No module imports itself through others; imports inside functions and for type checkers count."""

import grimp
import networkx
import pytest


@pytest.fixture(scope="module")
def imports() -> "networkx.DiGraph[str]":
    found = grimp.build_graph("markab", "Pegasus", cache_dir=None)
    return networkx.DiGraph(
        [
            (module, imported)
            for module in found.modules
            for imported in found.find_modules_directly_imported_by(module)
        ]
    )


def cycles_of(imports: "networkx.DiGraph[str]") -> list[list[str]]:
    """One cycle of each group of modules that import each other."""
    groups = [group for group in networkx.strongly_connected_components(imports) if len(group) > 1]
    return [
        [importer for importer, _ in networkx.find_cycle(imports.subgraph(group), min(group))]
        for group in groups
    ]


def test_no_import_leads_back_to_its_module(imports: "networkx.DiGraph[str]") -> None:
    found = [" -> ".join([*cycle, cycle[0]]) for cycle in cycles_of(imports)]

    assert not found, "import cycles:\n" + "\n".join(found)


def test_a_cycle_is_reported_as_a_path() -> None:
    graph = networkx.DiGraph([("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")])

    assert [["b", "c"]] == cycles_of(graph)
