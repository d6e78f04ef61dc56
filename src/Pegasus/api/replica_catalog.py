"""Files and their places."""

from markab.api.files import File
from markab.api.replica_catalog import ReplicaCatalog
from markab.api.writable import DOCUMENT_VERSION as PEGASUS_VERSION

__all__ = ["PEGASUS_VERSION", "File", "ReplicaCatalog"]
