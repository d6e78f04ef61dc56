"""Build random workflows and catalogs with whatever `Pegasus.api` is installed, and print their documents as JSON lines.

    python random_documents.py FIRST_SEED NUMBER

Run by two interpreters, it asks both APIs the same. What a call raises is printed by its type.
"""

import io
import json
import logging
import random
import sys

import yaml
from document_data import normalised

from Pegasus.api import (
    OS,
    Arch,
    Container,
    Directory,
    EventType,
    ExprVar,
    File,
    FileServer,
    Grid,
    Job,
    Namespace,
    Operation,
    ReplicaCatalog,
    Scheduler,
    Site,
    SiteCatalog,
    SubWorkflow,
    SupportedJobs,
    Transformation,
    TransformationCatalog,
    TransformationSite,
    Workflow,
)

TEXTS = [
    "a",
    "b c",
    "x=1",
    "007",
    "yes",
    "null",
    "1e5",
    "é",
    "${HOME}",
    "#",
    "- x",
    "'q'",
    '"',
    "a: b",
    "",
    "~",
    "[1]",
    "0x10",
    "1_0",
]
SIZES = ["1 GB", "2gb", "512 MB", "7", 3, "1e3 MB", " 4 GB ", "1.5 GB", "x", "1 KB", "2 PB"]


class Builder:
    """Makes what is random; `raised` has the types of the errors of its calls."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.raised = []

    def some(self, *values):
        return self.random.choice(values)

    def chance(self, share=0.5):
        return self.random.random() < share

    def attempt(self, call, *args, **named):
        try:
            return call(*args, **named)
        except Exception as error:
            self.raised.append(type(error).__name__)
            return None

    def value(self):
        return self.some(*TEXTS, 1, -3, 0.5, 2.0, 1e-9, 1.5e-7, 12345678901, True, False)

    def profiles(self, thing):
        for _ in range(self.random.randrange(3)):
            ns = self.some(
                Namespace.PEGASUS, Namespace.CONDOR, Namespace.DAGMAN, Namespace.ENV, Namespace.GLOBUS
            )
            value = self.value() or None  # the original takes a value that is false for none, and loses it
            self.attempt(thing.add_profiles, ns, self.some("k", "key.dot", None), self.some(value, None))
        if self.chance():
            self.attempt(thing.add_env, A=self.value(), B_c=self.value())
        if self.chance():
            self.attempt(
                thing.add_pegasus_profile, memory=self.some(*SIZES), cores=self.some(1, "2", None), queue="q"
            )
        if self.chance(0.3):
            self.attempt(
                thing.add_condor_profile,
                request_memory=self.some(*SIZES),
                request_disk=self.some(*SIZES),
                request_cpus=2,
                stream_error=self.chance(),
            )
        if self.chance(0.3):
            self.attempt(
                thing.add_dagman_profile, retry=self.some(3, "4"), priority=-1, max_jobs=2, post="/p"
            )
        if self.chance(0.2):
            self.attempt(thing.add_globus_profile, max_memory=self.some(*SIZES), count=1, job_type="mpi")
        if self.chance(0.2):
            self.attempt(thing.add_selector_profile, execution_site="s", grid_job_type="compute")
        if self.chance(0.1):
            self.attempt(
                thing.add_pegasus_profile, memory_expr=f"{ExprVar.pegasus_memory_mb} * 2", clusters_size=3
            )

    def metadata(self, thing):
        if self.chance(0.4):
            self.attempt(thing.add_metadata, a=self.value(), n=self.some(1, 2.5, None))
        if self.chance(0.1):
            self.attempt(thing.add_metadata, {"m": "x"})

    def hooks(self, thing):
        if self.chance(0.2):
            self.attempt(thing.add_shell_hook, self.some(*EventType), "echo x")

    def file(self, names):
        file = File(self.some(*names), size=self.some(None, None, 0, 77))
        self.metadata(file)
        return file if self.chance(0.7) else file.lfn

    def job(self, number):
        if self.chance(0.1):
            job = SubWorkflow(
                self.some("sub.yml", File("sub.yml", size=3)), is_planned=self.chance(0.2), _id=f"j{number}"
            )
            self.attempt(
                job.add_planner_args,
                sites=["a", "b"],
                output_dir="/o",
                verbose=self.random.randrange(4),
                force=self.chance(),
                cluster=["horizontal"],
                cleanup=self.some("none", "leaf", None),
                staging_sites={"a": "b"},
            )
        else:
            job = Job(
                self.some("t", Transformation("u", namespace="n", version="1")),
                _id=f"j{number}",
                node_label=self.some(None, "label é"),
                namespace=self.some(None, "ns"),
                version=self.some(None, "2.0"),
            )
        job.add_args(*(self.value() for _ in range(self.random.randrange(4))), self.file(["f0"]))
        made = [f"o{number}_{n}" for n in range(3)]
        read = ["in", *(f"o{other}_{n}" for other in range(number) for n in range(2))]
        for _ in range(self.random.randrange(4)):
            self.attempt(job.add_inputs, self.file(read), bypass_staging=self.chance(0.3))
        for _ in range(self.random.randrange(3)):
            self.attempt(
                job.add_outputs, self.file(made), stage_out=self.chance(), register_replica=self.chance()
            )
        if self.chance(0.2):
            self.attempt(job.add_checkpoint, f"c{number}")
        if self.chance(0.3):
            self.attempt(job.set_stdin, self.file(read))
        if self.chance(0.3):
            self.attempt(job.set_stdout, self.file(made), stage_out=self.chance())
        if self.chance(0.2):
            self.attempt(job.set_stderr, self.file(made), register_replica=self.chance())
        self.profiles(job)
        self.metadata(job)
        self.hooks(job)
        return job

    def site(self, name):
        site = Site(
            name,
            arch=self.some(None, *Arch),
            os_type=self.some(None, *OS),
            os_release=self.some(None, "deb"),
            os_version=self.some(None, "12"),
        )
        for kind in self.random.sample(
            [Directory.SHARED_SCRATCH, Directory.LOCAL_STORAGE, Directory.SHARED_STORAGE], 2
        ):
            directory = Directory(kind, self.some("/a", "/b/c"), shared_file_system=self.chance())
            for _ in range(self.random.randrange(3)):
                server = FileServer("file:///a", self.some(*Operation))
                self.profiles(server)
                directory.add_file_servers(server)
            site.add_directories(directory)
        if self.chance():
            site.add_grids(
                Grid(Grid.BATCH, "slurm", self.some(*Scheduler), job_type=self.some(None, *SupportedJobs))
            )
        if self.chance(0.3):
            site.add_tag_profiles("gpu", Namespace.PEGASUS, gpus=1)
        self.profiles(site)
        return site

    def site_catalog(self):
        catalog = SiteCatalog()
        for name in ("local", "s", "s")[: self.random.randrange(4)]:
            self.attempt(catalog.add_sites, self.site(name))
        return catalog

    def replica_catalog(self):
        catalog = ReplicaCatalog()
        for _ in range(self.random.randrange(5)):
            if self.chance(0.2):
                self.attempt(
                    catalog.add_regex_replica, "local", self.some("f.*", "g"), "/x/[0]", {"m": self.value()}
                )
            else:
                self.attempt(
                    catalog.add_replica,
                    self.some("local", "s"),
                    self.file(["f1", "f2"]),
                    self.some("/p", "http://h/p", "rel"),
                    checksum=self.some(None, {"sha256": "ab"}, {"md5": "c"}),
                    metadata=self.some(None, {"m": 1, "b": True}),
                )
        return catalog

    def transformation_catalog(self):
        catalog = TransformationCatalog()
        for name in ("t", "u", "u")[: self.random.randrange(4)]:
            tool = Transformation(name, namespace=self.some(None, "n"), version=self.some(None, "1"))
            for site in ("local", "s", "s")[: self.random.randrange(4)]:
                place = self.attempt(
                    TransformationSite,
                    site,
                    "/bin/t",
                    is_stageable=self.chance(),
                    bypass_staging=self.chance(0.3),
                    arch=self.some(None, *Arch),
                    os_type=self.some(None, *OS),
                    container=self.some(None, "c"),
                )
                if place is None:
                    continue
                self.profiles(place)
                self.metadata(place)
                self.attempt(tool.add_sites, place)
            if self.chance(0.3):
                self.attempt(tool.add_requirement, self.some("r", Transformation("r"), "a:b"), namespace=None)
            self.profiles(tool)
            self.hooks(tool)
            self.metadata(tool)
            self.attempt(catalog.add_transformations, tool)
        if self.chance():
            image = Container(
                "c",
                self.some(Container.DOCKER, Container.SINGULARITY, Container.SHIFTER),
                "docker:///x",
                arguments=self.some(None, "--x"),
                mounts=self.some(None, ["/a:/b:ro"]),
                image_site=self.some(None, "s"),
                checksum=self.some(None, {"sha256": "ab"}),
                bypass_staging=self.chance(),
            )
            self.profiles(image)
            catalog.add_containers(image)
        return catalog

    def workflow(self):
        workflow = Workflow("w", infer_dependencies=self.chance(0.8))
        jobs = [self.job(number) for number in range(self.random.randrange(6))]
        self.attempt(workflow.add_jobs, *jobs)
        for _ in range(self.random.randrange(3)):
            if len(jobs) > 1:
                first, second = self.random.sample(jobs, 2)
                self.attempt(workflow.add_dependency, first, children=[second])
        for add, catalog in (
            (workflow.add_site_catalog, self.site_catalog),
            (workflow.add_replica_catalog, self.replica_catalog),
            (workflow.add_transformation_catalog, self.transformation_catalog),
        ):
            if self.chance(0.3):
                add(catalog())
        self.profiles(workflow)
        self.metadata(workflow)
        self.hooks(workflow)
        return workflow


def as_data(thing):
    """Return the document, read by PyYAML."""
    stream = io.StringIO()
    thing.write(stream)
    return normalised(yaml.safe_load(stream.getvalue()))


def main(first, number):
    """Print one line a seed."""
    logging.disable(logging.CRITICAL)
    for seed in range(first, first + number):
        builder = Builder(seed)
        kind = ("workflow", "workflow", "site_catalog", "replica_catalog", "transformation_catalog")[seed % 5]
        thing = getattr(builder, kind)()
        document = builder.attempt(as_data, thing)
        print(
            json.dumps(
                {"seed": seed, "kind": kind, "raised": builder.raised, "document": document}, sort_keys=True
            )
        )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
