from pathlib import Path

from markab.api import ReplicaCatalog, SiteCatalog, TransformationCatalog


def test_each_catalog_has_its_default_file(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for catalog in (SiteCatalog(), ReplicaCatalog(), TransformationCatalog()):
        catalog.write()
    assert {path.name for path in tmp_path.iterdir()} == {"sites.yml", "replicas.yml", "transformations.yml"}
