"""The executable workflow: what the planner makes and the engine runs.

On disk this is `plan.jsonl`: the header on line 1, then one job a line, parents
always above their children. Keys are the attribute names below; a key that has
its default is left out. `plan/plan_file.py` reads and writes it.

A job line has all that is needed to run the job, except the directories of the run:
these are in the header's sites, so the job lines of two runs of
one workflow are the same.
"""

from __future__ import annotations

from enum import Enum
from typing import Literal, get_args

import msgspec

from markab.plan.job_label import joined_labels
from markab.transfers.base import TRANSFER_ATTEMPTS, TRANSFER_THREADS, quoted_path, url_below

FORMAT = 1
"""Version of `plan.jsonl`; a plan with a higher number is refused."""

DataConfiguration = Literal["condorio", "nonsharedfs", "sharedfs"]
DATA_CONFIGURATIONS: tuple[DataConfiguration, ...] = get_args(DataConfiguration)
"""The first is the default."""

Engine = Literal["markab", "dagman"]
ENGINES: tuple[Engine, ...] = get_args(Engine)
"""What runs a plan: the engine of Markab, or HTCondor's DAGMan. The first is the default."""

Integrity = Literal["full", "nosymlink", "none"]
INTEGRITY_CHECKS: tuple[Integrity, ...] = get_args(Integrity)
"""The first is the default."""

PARAMETER = "parameter."
"""Begins the key of the workflow's metadata that has a parameter of the script that built it."""

LOCAL = "local"
"""The executor that runs jobs as processes of the submit host."""

SUB_WORKFLOWS = "sub-workflows"
"""The site of the jobs that are sub-workflows, and its executor: each is planned, and its jobs join those of the engine."""


class Kind(str, Enum):
    """What a job is for."""

    COMPUTE = "compute"
    STAGE_IN = "stage_in"
    STAGE_OUT = "stage_out"
    STAGE_INTER = "stage_inter"
    CREATE_DIR = "create_dir"
    CLEANUP = "cleanup"
    REGISTER = "register"
    SUBWORKFLOW = "subworkflow"
    NOOP = "noop"
    """It does nothing, so that a plan without work is run like any other."""


TRANSFERS = frozenset({Kind.STAGE_IN, Kind.STAGE_INTER, Kind.STAGE_OUT})
"""The kinds of jobs that move files."""


class Place(msgspec.Struct):
    """One physical place of a file."""

    site: str
    """Where it is: credentials are those of this site."""
    url: str
    """URL by which the submit host reaches it; an absolute path is one of the submit host."""


class DirectoryPlace(msgspec.Struct, frozen=True, omit_defaults=True):
    """A directory at a site; it need not exist yet."""

    site: str
    path: str
    """Absolute path as jobs at the site see it."""
    url: str
    """URL by which the submit host reaches it."""
    is_local: bool = True
    """It is a directory of the submit host: `path` is its path there too."""

    def below(self, relative: str) -> DirectoryPlace:
        """Return a directory in it."""
        path, url = f"{self.path.rstrip('/')}/{relative}", url_below(self.url, relative)
        return DirectoryPlace(self.site, path, url, self.is_local)

    @property
    def text(self) -> str:
        """How plans and messages name it: the path if it is on the submit host, else the URL."""
        return self.path if self.is_local else self.url

    def file(self, lfn: str) -> Place:
        """Return where a file in it is, as a transfer takes it."""
        url = f"{self.path.rstrip('/')}/{lfn}" if self.is_local else url_below(self.url, lfn)
        return Place(self.site, url)

    def file_url(self, lfn: str) -> str:
        """Return where a file in it is, as the replica catalog has it: always a URL."""
        return url_below(self.url, lfn)


def local_directory(site: str, path: str) -> DirectoryPlace:
    """Return a directory of the submit host."""
    path = path.rstrip("/") or "/"
    return DirectoryPlace(site, path, f"file://{quoted_path(path)}")


class PlanSite(msgspec.Struct, omit_defaults=True):
    """A site as this run uses it."""

    executor: str = LOCAL
    """How its jobs are started; "local" is: as processes of the submit host."""
    scratch: DirectoryPlace | None = None
    """The run's directory in the site's shared scratch; None: the run keeps no files there."""
    work: str | None = None
    """Absolute directory in which attempts get directories of their own. None: below the staging site's scratch."""
    contact: str = ""
    """Where its batch system takes jobs: a schedd as `[NAME@]HOST[:PORT]`, a login node as `[USER@]HOST`, a context of the kubeconfig, a region of
    AWS. Empty: on the submit host; of a cloud, the one that its configuration names."""


class GivenSlots(msgspec.Struct, frozen=True, omit_defaults=True):
    """What jobs on the submit host may use together, as far as it was said when planning. None: what the machine has."""

    cores: int | None = None
    memory_mb: int | None = None
    gpus: int | None = None


class ContentReuse(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a run reuses results by content: what made them, not their names, decides."""

    index: str
    """Absolute path of the index of results, to which the run adds its own."""
    store: str
    """Absolute directory that keeps what cleanup removes."""
    store_bytes: int = 0
    """How much it may keep."""
    finds: bool = True
    """Results of earlier runs are used; False: all tasks run (`--force`), and are recorded."""


class BoundedScratch(msgspec.Struct, frozen=True, omit_defaults=True):
    """How many bytes a run may have in its scratch at a site, and will, as planned."""

    most_bytes: int
    predicted_bytes: int
    """The most at any time, if the jobs run one after the other in the order of `JobSpace.order`."""


class Hook(msgspec.Struct, frozen=True, omit_defaults=True):
    """A command of the user that is run at events of the workflow or of a task."""

    on: Literal["start", "error", "success", "end", "all"]
    words: list[str]
    """The program with its arguments; no shell reads them."""
    task: str = ""
    """Id of the task whose events these are; "": those of the workflow."""


class RunHooks(msgspec.Struct, frozen=True, omit_defaults=True):
    """The hooks of a run; those of tasks stand with their jobs."""

    workflow: list[Hook] = []
    at_once: int = 10
    """How many hooks may run at a time."""
    limit_s: float = 0
    """How long one may take; 0: for ever."""


Tool = Literal["", "pip", "conda", "pixi"]
"""What makes a software environment of a file."""


class SoftwareEnvironment(msgspec.Struct, frozen=True, omit_defaults=True):
    """What tasks find installed where they run, beside what the site has."""

    tool: Tool = ""
    file: str = ""
    """The name of the file that lists the packages, without its directory."""
    text: str = ""
    """What the file had when the run was planned."""
    modules: list[str] = []
    """Environment modules that are loaded."""


class Header(msgspec.Struct, omit_defaults=True):
    """Line 1 of `plan.jsonl`."""

    format: int
    workflow: str
    jobs: int
    integrity: Integrity = INTEGRITY_CHECKS[0]
    sites: dict[str, PlanSite] = {}
    limits: dict[str, int] = {}
    """Category → how many of its jobs may run at once."""
    max_jobs: int | None = None
    """How many jobs may run at once, whatever they are. None: as many as fit."""
    max_idle: int | None = None
    """How many attempts may wait in the queues of sites. None: any number."""
    slots: GivenSlots = GivenSlots()
    """`markab run` may be given others."""
    transfer_threads: int = TRANSFER_THREADS
    transfer_attempts: int = TRANSFER_ATTEMPTS
    outputs: dict[str, str] = {}
    """Output site → directory (path or URL) where results are delivered."""
    keep_failed: bool = False
    """Keep the directory of the last failed attempt of each job."""
    retry_by_cause: bool = True
    """What would fail again is not tried again, and what lacked memory gets more."""
    hold_limit_s: float = 0
    """An attempt that its site holds for so long is withdrawn, and has failed; 0: it may wait for ever."""
    fail_fast: bool = False
    """After a job failed for good, start no others; `markab run` may be given otherwise."""
    catalog: str | None = None
    """Output replica catalog: path of an SQLite file; relative to the submit directory, unless the user named one.

    None: another one, which the properties of the run name.
    """
    metadata: dict[str, str] = {}
    """The user's metadata of the workflow; without effect on the run."""
    reuse: ContentReuse | None = None
    """Set with the policy `content`; None: results are reused by name, as Pegasus does, when the run is planned."""
    scratch: dict[str, BoundedScratch] = {}
    """Staging site → bound, with the cleanup `constraint`; then jobs have `space`."""
    environments: dict[str, SoftwareEnvironment] = {}
    """By the name that tasks have."""
    hooks: RunHooks | None = None
    """None: the run has no hooks, of the workflow or of a task."""
    run_directory: str = ""
    """The run's directory below each scratch, below which those of sub-workflows are; set if there are any."""
    engine: Engine = ENGINES[0]
    """What runs it; "dagman": a DAG file and submit files stand beside it (`dagman/dag_writer.py`)."""
    inherited_replicas: str = ""
    """Name in `catalogs/` of the replicas of the document that sub-workflows see too; empty: none."""

    @property
    def parameters(self) -> dict[str, str]:
        """Those of the script that built the workflow, as text; empty if it has none, or there is no script."""
        found = {key: value for key, value in self.metadata.items() if key.startswith(PARAMETER)}
        return {key.removeprefix(PARAMETER): value for key, value in found.items()}

    @property
    def local_sites(self) -> frozenset[str]:
        """The sites whose jobs run on the submit host."""
        return frozenset(name for name, site in self.sites.items() if site.executor == LOCAL)

    @property
    def remote_sites(self) -> frozenset[str]:
        """The others: they have slots of their own, and report when a job that waits there runs."""
        return frozenset(self.sites) - self.local_sites


ContainerType = Literal["docker", "singularity", "shifter"]


class TaskContainer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The container in which a task runs."""

    name: str
    """As the transformation catalog has it."""
    type: ContainerType
    image: str
    """Lfn of an input of the job; or, if it is not staged, an absolute path at the site (Singularity) or a
    name in the registry of the site (Shifter)."""
    is_staged: bool = True
    mounts: list[str] = []
    """`source:destination`, and `:ro` or `:rw` after it."""
    arguments: list[str] = []
    """For the program that starts it, before the image."""
    launcher: list[str] = []
    """A program and its arguments that start that program."""
    program: str = ""
    """The program that starts it: a name. "": one that is found where the job runs."""


class PlannedTask(msgspec.Struct, omit_defaults=True):
    """One process that a compute job runs."""

    id: str
    """Id of the user's task."""
    transformation: str
    """`namespace::name:version`."""
    executable: str
    """Absolute path at the site, or `./name` of an executable that is among the job's inputs."""
    arguments: str = ""
    """A command line, not yet split: POSIX words with `$VAR` and `${VAR}`, split where the job runs."""
    stdin: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    """Lfns that the three streams are connected to. None: nothing to read; captured."""
    env: dict[str, str] = {}
    node_label: str = ""
    """The user's label of the task, for views only; "": none."""
    metadata: dict[str, str] = {}
    """The user's metadata of the task."""
    container: TaskContainer | None = None
    """The container in which it runs. None: none."""
    content: Content | None = None
    """With the policy `content`. None: the task always runs, and what it makes is not found again."""
    environment: str = ""
    """Name of the software environment in which it runs; "": the site's."""
    makes: list[str] = []
    """Lfns of the outputs of the job that this task makes; given if the job has several tasks."""
    after: list[str] = []
    """Ids of the tasks of the same job that must succeed before it."""
    cores: int = 1
    memory_mb: int = 0
    priority: int = 0
    """What it takes of its job, and its rank among the tasks that are ready; for jobs with `tasks_at_once`."""


class JobScript(msgspec.Struct, frozen=True, omit_defaults=True):
    """A program of the submit host that runs before or after the tasks of a job, in the submit directory."""

    executable: str
    """Absolute path."""
    arguments: str = ""
    """Not yet split; `worker/job_scripts.py` lists the variables that are replaced."""


class ChildPlan(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the workflow of a job of kind `subworkflow` gets its plan when the job starts."""

    document: str = ""
    """Lfn of its document: an input of the job, in the scratch of the staging site. Empty: it is planned already."""
    run: str = ""
    """Absolute path of the submit directory that it has already; empty: it is planned."""
    arguments: list[str] = []
    """Words of the planner's command line, with what it takes over from the plan of its parent."""
    force_replan: bool = False
    """After an attempt that failed, it is planned anew, and not continued."""


class AbortRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """An exit code of a job that ends the run."""

    on: int
    exit_code: int | None = None
    """That of the run. None: that of the job."""


class Input(msgspec.Struct, omit_defaults=True):
    """A file that a compute job reads."""

    lfn: str
    sha256: str | None = None
    """Known when planning. What earlier jobs made is known to the engine."""
    sources: list[Place] = []
    """Where the job fetches it itself, best first. Empty: it is at `scratch/lfn` of the staging site."""
    executable: bool = False
    image: bool = False
    """It is the image of a container: used where it is staged, and not put into the directory of the job."""
    link: bool = False
    """It may be a symbolic link at `scratch/lfn`, made by the transfer that brought it."""
    optional: bool = False
    """A missing file is no error: checkpoints and inputs marked `optional`."""
    metadata: dict[str, str] = {}
    """The user's metadata of the file, from the replica catalog and from the uses of the task."""


class Output(msgspec.Struct, omit_defaults=True):
    """A file that a compute job makes."""

    lfn: str
    checkpoint: bool = False
    """Kept also when the task fails, so that the next attempt goes on from there; never required."""
    metadata: dict[str, str] = {}
    """The user's metadata of the file."""


class Transfer(msgspec.Struct, omit_defaults=True):
    """One file that a stage-in, stage-out or inter-site job moves."""

    lfn: str
    sources: list[Place]
    """Best first; the next is tried when one fails."""
    destinations: list[Place]
    """Every one of them gets the file."""
    sha256: str | None = None
    """Known when planning. What earlier jobs made is known to the engine."""
    size_bytes: int | None = None
    executable: bool = False
    link: bool = False
    """A symbolic link is enough when source and destination are on one machine."""
    optional: bool = False
    """No error if no source has it: a checkpoint that was never written."""
    checkpoint: bool = False
    """Jobs that read it write it anew: when it is in place already, it is left as it is."""


class Registration(msgspec.Struct, omit_defaults=True):
    """One replica to write into the output catalog; its checksum is known to the engine."""

    lfn: str
    pfn: str
    site: str
    metadata: dict[str, str] = {}
    optional: bool = False
    """It may not exist: a checkpoint."""
    name: str = ""
    """Under which it is registered. Empty: its lfn."""


class Content(msgspec.Struct, frozen=True, omit_defaults=True):
    """What makes the outputs of a task, but for the contents of its inputs (`reuse/content_key.py`)."""

    recipe: str
    """sha256 over commands, environment, programs that are not staged, and names of files."""
    programs: dict[str, str] = {}
    """Path of each installed program → its sha256 when the task was planned."""
    known: dict[str, str] = {}
    """Lfn → sha256 of the inputs whose contents were known then; these of the others the journal tells."""
    reads: list[str] = []
    """Lfns of its inputs, if it shares its job with other tasks; one alone reads what its job does."""


class JobSpace(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a job changes of the bytes in the scratch of its staging site, as predicted."""

    order: int
    """Its place in an order of all jobs in which the run fits."""
    own_bytes: int = 0
    """Of copies of its inputs in a directory of its own, while it runs."""
    adds_bytes: int = 0
    """Of files that it makes or brings, and that no job before it did."""
    frees_bytes: list[int] = []
    """Cleanup: of each file of `removes`."""
    kept_bytes: dict[str, int] = {}
    """Lfn → bytes of those files that no cleanup job removes."""


class BatchRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a job asks of the batch system of its site, beside cores, memory, disk, GPUs and time."""

    queue: str = ""
    project: str = ""
    """The account that pays."""
    nodes: int = 0
    """On how many nodes the cores are; 0: not given."""
    processes_per_node: int = 0
    """0: not given."""
    arguments: list[str] = []
    """Directives of the batch system's language, one a line, passed on unchanged."""
    attributes: dict[str, str] = {}
    """Commands of an HTCondor submit description, passed on unchanged; a key may begin with `+` or `My.`. Of a cloud: its own profiles,
    such as `kubernetes.image`."""


class PlannedJob(msgspec.Struct, omit_defaults=True):
    """One job: what is scheduled, tried and retried as a whole."""

    id: str
    kind: Kind
    site: str
    """Where it runs."""
    staging: str = ""
    """Site whose scratch holds the files it works with. Empty: the same as `site`."""
    data: DataConfiguration = DATA_CONFIGURATIONS[0]
    level: int = 0
    priority: int = 0
    category: str = ""
    retries: int = 0
    parents: list[int] = []
    """Positions (0 is the first line after the header) of the jobs that must succeed first; ascending."""

    cores: int = 1
    memory_mb: int = 0
    disk_mb: int = 0
    gpus: int = 0
    runtime_s: float = 0
    """What it requests; 0: not given."""
    batch: BatchRequest | None = None
    """None: nothing more, or its site has no batch system."""
    threads: int = 0
    """How many files it moves at a time; 0: as the header says."""
    checkpoint_s: float = 0
    """SIGTERM after this many seconds, so that the task writes its checkpoint. 0: never."""
    checkpoint_grace_s: float = 0
    """SIGKILL so many seconds after that SIGTERM. 0: the task may go on."""
    max_wall_s: float = 0
    """SIGTERM, and SIGKILL soon after, at this many seconds. 0: never."""
    success_messages: list[str] = []
    """All of them must stand in stdout or stderr."""
    failure_messages: list[str] = []
    """None of them may."""
    keep_going: bool = False
    """A task that fails keeps only those from running that come `after` it; the attempt fails all the same."""

    pre: JobScript | None = None
    post: JobScript | None = None
    """Run around the tasks of each attempt; the exit code of `post`, if there is one, is that of the job."""
    abort: AbortRule | None = None
    hooks: list[Hook] = []
    """Commands of the submit host that are run at events of its tasks."""
    tasks_at_once: bool = False
    """Tasks run at the same time, as far as the cores and the memory of the job allow. False: one after the other."""

    tasks: list[PlannedTask] = []
    inputs: list[Input] = []
    outputs: list[Output] = []
    """The ones above: compute."""
    transfers: list[Transfer] = []
    """Stage-in, stage-out, stage-inter."""
    registrations: list[Registration] = []
    """Register."""
    child: ChildPlan | None = None
    """Subworkflow."""
    removes: list[str] = []
    """Cleanup: lfns below the scratch of `staging`."""
    keeps: list[str] = []
    """Cleanup, with the policy `content`: lfns that tasks made; the store keeps them before they are removed."""
    unloads: dict[str, str] = {}
    """Cleanup: lfns of images of Docker, which jobs loaded on this machine → the program that did, or ""; they are unloaded."""
    removes_scratch: bool = False
    """Cleanup at the end: the whole scratch directory of `staging`."""
    space: JobSpace | None = None
    """None: there is no bound, or it changes nothing."""
    why: str = ""
    """Which pass made it, and for what."""

    @property
    def content(self) -> Content | None:
        """What makes the outputs of its task; None if it has several tasks, or that is not known."""
        return self.tasks[0].content if len(self.tasks) == 1 else None

    @property
    def label(self) -> str:
        """The user's label; empty if its tasks have none."""
        if len(self.tasks) == 1:
            return self.tasks[0].node_label
        return joined_labels(task.node_label for task in self.tasks)
