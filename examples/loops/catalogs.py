"""The catalogs of all three loops: the programs, and the number with which they begin."""

from pathlib import Path

from Pegasus.api import ReplicaCatalog, Transformation, TransformationCatalog

HERE = Path(__file__).resolve().parent


def write_catalogs() -> None:
    """Write transformations.yml and replicas.yml into the current directory."""
    programs = {
        "newton": HERE / "bin/newton.py",
        "next_round": HERE / "bin/next_round.py",
        "keep": Path("/bin/cp"),
    }
    catalog = TransformationCatalog()
    for name, path in programs.items():
        catalog.add_transformations(Transformation(name, site="local", pfn=path, is_stageable=False))
    catalog.write()
    start = Path("x0.txt").absolute()
    start.write_text("1.0\n")
    ReplicaCatalog().add_replica("local", "x0.txt", start).write()
