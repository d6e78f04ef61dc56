"""The enumerations of documents."""

from __future__ import annotations

from enum import Enum
from typing import TypeVar


class Namespace(Enum):
    """The part of the system that reads a profile."""

    PEGASUS = "pegasus"
    CONDOR = "condor"
    DAGMAN = "dagman"
    ENV = "env"
    GLOBUS = "globus"
    SELECTOR = "selector"
    STAT = "stat"
    MARKAB = "markab"


class EventType(Enum):
    """The event at which a hook is called."""

    NEVER = "never"
    START = "start"
    ERROR = "error"
    SUCCESS = "success"
    END = "end"
    ALL = "all"


class Arch(Enum):
    """Architecture of a site's machines, or of what an executable was built for."""

    X86 = "x86"
    X86_64 = "x86_64"
    PPC = "ppc"
    PPC_64 = "ppc_64"
    PPC64LE = "ppc64le"
    IA64 = "ia64"
    SPARCV7 = "sparcv7"
    SPARCV9 = "sparcv9"
    AMD64 = "amd64"
    AARCH64 = "aarch64"


class OS(Enum):
    """Operating system of a site, or of what an executable was built for."""

    LINUX = "linux"
    SUNOS = "sunos"
    AIX = "aix"
    MACOSX = "macosx"
    WINDOWS = "windows"


class Operation(Enum):
    """The operations that a file server supports."""

    ALL = "all"
    PUT = "put"
    GET = "get"


class DirectoryType(Enum):
    """The purpose of a directory of a site."""

    SHARED_SCRATCH = "sharedScratch"
    SHARED_STORAGE = "sharedStorage"
    LOCAL_SCRATCH = "localScratch"
    LOCAL_STORAGE = "localStorage"


class GridType(Enum):
    """Kind of gateway to a site."""

    GT5 = "gt5"
    CONDOR = "condor"
    CREAM = "cream"
    BATCH = "batch"
    NORDUGRID = "nordugrid"
    UNICORE = "unicore"
    EC2 = "ec2"
    DELTACLOUD = "deltacloud"
    SFAPI = "sfapi"


class Scheduler(Enum):
    """The scheduler behind a gateway."""

    FORK = "fork"
    PBS = "pbs"
    LSF = "lsf"
    CONDOR = "condor"
    SGE = "sge"
    SLURM = "slurm"
    FLUX = "flux"
    UNKNOWN = "unknown"


class SupportedJobs(Enum):
    """The jobs for which a gateway is used."""

    COMPUTE = "compute"
    AUXILLARY = "auxillary"  # the documents spell it so
    TRANSFER = "transfer"
    REGISTER = "register"
    CLEANUP = "cleanup"


class ContainerType(Enum):
    """The program that runs an image."""

    DOCKER = "docker"
    SINGULARITY = "singularity"
    SHIFTER = "shifter"


class ExprVar:
    """Names that an expression in a `…_expr` profile may use; a name space, never an object."""

    duration = "duration"
    exitcode = "exitcode"
    hostaddr = "hostaddr"
    job_retry = "job_retry"
    job_runtime = "job_runtime"
    maxrss = "max rss used"
    pegasus_cluster_size = "pegasus_cluster_size"
    pegasus_cores = "pegasus_cores"
    pegasus_diskspace_mb = "pegasus_diskspace_mb"
    pegasus_generator = "pegasus_generator"
    pegasus_glite_arguments = "pegasus_glite_arguments"
    pegasus_gpus = "pegasus_gpus"
    pegasus_job_class = "pegasus_job_class"
    pegasus_job_runtime = "pegasus_job_runtime"
    pegasus_memory_mb = "pegasus_memory_mb"
    pegasus_project = "pegasus_project"
    pegasus_queue = "pegasus_queue"
    pegasus_root_wf_uuid = "pegasus_root_wf_uuid"
    pegasus_site = "pegasus_site"
    pegasus_version = "pegasus_version"
    pegasus_wf_dax_job_id = "pegasus_wf_dax_job_id"
    pegasus_wf_name = "pegasus_wf_name"
    pegasus_wf_uuid = "pegasus_wf_uuid"
    pegasus_wf_xformation = "pegasus_wf_xformation"
    total_ip_size_mb = "total_ip_size_mb"
    total_op_size_mb = "total_op_size_mb"
    user = "user"

    def __new__(cls) -> ExprVar:
        """Raise TypeError."""
        raise TypeError("ExprVar only holds names, no object can be made of it")


Member = TypeVar("Member", bound=Enum)


def checked(value: object, kind: type[Member], what: str) -> Member:
    """Return `value` if it is a member of `kind`, or raise a TypeError that lists the members."""
    if isinstance(value, kind):
        return value
    members = ", ".join(f"{kind.__name__}.{name}" for name in kind.__members__)
    raise TypeError(f"{what} is {value!r}, but must be one of: {members}")


def word_or_none(value: object, kind: type[Member], what: str) -> str | None:
    """Return the word of documents for a `checked` value that may also be left out."""
    return None if value is None else str(checked(value, kind, what).value)
