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
    Properties,
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
GRIDS = [value for name, value in sorted(vars(Grid).items()) if name.isupper()]
PROFILE_KEYWORDS = {
    "add_pegasus_profile": """
        clusters_num clusters_size job_aggregator job_aggregator_arguments grid_start grid_start_path
        grid_start_arguments grid_start_launcher grid_start_launcher_arguments stagein_clusters
        stagein_local_clusters stagein_remote_clusters stageout_clusters stageout_local_clusters
        stageout_remote_clusters group change_dir create_dir transfer_proxy style pmc_request_memory
        pmc_request_cpus pmc_priority pmc_task_arguments exitcode_failure_msg exitcode_success_msg checkpoint_time
        max_walltime glite_arguments glite_arguments_expr auxillary_local condor_arguments_quote runtime runtime_expr
        clusters_max_runtime cores cores_expr gpus gpus_expr nodes ppn memory memory_expr diskspace diskspace_expr
        data_configuration queue queue_expr project project_expr boto_config container_arguments container_launcher
        container_launcher_arguments label pegasus_lite_env_source SSH_PRIVATE_KEY relative_submit_dir tag
    """,
    "add_condor_profile": """
        universe periodic_release periodic_remove filesystem_domain stream_error stream_output priority request_cpus
        request_gpus request_memory request_disk requirements should_transfer_files when_to_transfer_output
        condor_collector grid_resource cream_attributes
    """,
    "add_dagman_profile": """
        pre pre_arguments post post_arguments retry category priority abort_dag_on max_pre max_post max_jobs max_idle
        post_scope
    """,
    "add_globus_profile": """
        count job_type max_cpu_time max_memory max_time max_wall_time min_memory project queue
    """,
    "add_selector_profile": "execution_site pfn grid_job_type",
}
"""Helper → its keywords."""
PLANNER_OPTIONS = {
    "basename": ["b"],
    "job_prefix": ["p"],
    "conf": ["c.properties"],
    "cluster": [["horizontal"], ["label", "horizontal"], ["label,horizontal"], "label"],
    "sites": [["a"], ["a", "b"], "a"],
    "output_sites": [["o"], "o"],
    "staging_sites": [{"a": "b"}, {"a": "b", "c": "d"}, "b"],
    "cache": [["c1", "c2"], "c"],
    "input_dirs": [["/i"], "/i"],
    "output_dir": ["/o"],
    "transformations_dir": ["/t"],
    "dir": ["/d"],
    "relative_dir": ["r"],
    "relative_submit_dir": ["rs"],
    "random_dir": [True, "name"],
    "inherited_rc_files": [["f"], "f"],
    "cleanup": ["none", "leaf"],
    "reuse": [["/r1", "/r2"]],
    "verbose": [1, 3],
    "quiet": [1, 2],
    "force": [True],
    "force_replan": [True],
    "forward": [["nogrid", "x=1,2"], "nogrid"],
    "submit": [True],
    "java_options": [["mx1024m"], "mx1024m"],
    "pegasus.mode": ["debug"],
}
"""Option → values, the wrong ones too."""
SIZES = ["1 GB", "2gb", "512 MB", "7", 3, "1e3 MB", " 4 GB ", "1.5 GB", "x", "1 KB", "2 PB"]


NAMESPACES = [namespace for namespace in Namespace if namespace.name != "MARKAB"]
"""Those that both packages have."""


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
            ns = self.some(*NAMESPACES, "pegasus")
            value = self.value() or None  # the original takes a value that is false for none, and loses it
            self.attempt(thing.add_profiles, ns, self.some("k", "key.dot", None), self.some(value, None))
        if self.chance():
            self.attempt(thing.add_env, A=self.value(), B_c=self.value())
        for helper, keywords in PROFILE_KEYWORDS.items():
            if self.chance(0.35):
                names = self.random.sample(
                    keywords.split(), self.random.randint(1, min(3, len(keywords.split())))
                )
                self.attempt(getattr(thing, helper), **{name: self.setting(name) for name in names})
        if self.chance(0.1):
            name = self.some(*sorted(name for name in vars(ExprVar) if not name.startswith("_")))
            self.attempt(thing.add_pegasus_profile, memory_expr=f"{getattr(ExprVar, name)} * 2")

    def setting(self, name):
        if name.endswith(("memory", "diskspace", "disk")):
            return self.some(*SIZES)
        return self.some("x", "y z", 1, 2, 0, -1, True, False, None, "3", 1.5)

    def metadata(self, thing):
        if self.chance(0.4):
            self.attempt(thing.add_metadata, a=self.value(), n=self.some(1, 2.5, None))
        if self.chance(0.1):
            self.attempt(thing.add_metadata, {"m": "x"})

    def hooks(self, thing):
        if self.chance(0.2):
            self.attempt(thing.add_shell_hook, self.some(*EventType), "echo x")

    def file(self, names):
        file = File(self.some(*names), size=self.some(None, None, 0, 77), for_planning=self.chance(0.2))
        self.metadata(file)
        return file if self.chance(0.7) else file.lfn

    def job(self, number):
        if self.chance(0.1):
            job = SubWorkflow(
                self.some("sub.yml", File("sub.yml", size=3)),
                is_planned=self.chance(0.2),
                _id=f"j{number}",
                node_label=self.some(None, "inner"),
            )
            options = self.random.sample(sorted(PLANNER_OPTIONS), self.random.randrange(5))
            self.attempt(
                job.add_planner_args, **{name: self.some(*PLANNER_OPTIONS[name]) for name in options}
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
            self.attempt(
                job.add_checkpoint,
                self.file([f"c{number}"]),
                stage_out=self.chance(),
                register_replica=self.chance(),
            )
        if self.chance(0.3):
            self.attempt(job.set_stdin, self.file(read))
        if self.chance(0.3):
            self.attempt(
                job.set_stdout, self.file(made), stage_out=self.chance(), register_replica=self.chance()
            )
        if self.chance(0.2):
            self.attempt(
                job.set_stderr, self.file(made), stage_out=self.chance(), register_replica=self.chance()
            )
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
            [
                Directory.SHARED_SCRATCH,
                Directory.LOCAL_STORAGE,
                Directory.SHARED_STORAGE,
                Directory.LOCAL_SCRATCH,
            ],
            2,
        ):
            directory = Directory(kind, self.some("/a", "/b/c"), shared_file_system=self.chance())
            for _ in range(self.random.randrange(3)):
                server = FileServer("file:///a", self.some(*Operation))
                self.profiles(server)
                directory.add_file_servers(server)
            site.add_directories(directory)
        if self.chance():
            site.add_grids(
                Grid(
                    self.some(*GRIDS),
                    "slurm",
                    self.some(*Scheduler),
                    job_type=self.some(None, *SupportedJobs),
                )
            )
        if self.chance(0.3):
            site.add_tag_profiles("gpu", Namespace.PEGASUS, gpus=1)
        if self.chance(0.3):
            self.attempt(
                site.add_tag_profiles, self.some("gpu", "big"), self.some(*NAMESPACES), "k", self.value()
            )
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

    def place(self):
        """Return arguments of a transformation that name where it is."""
        if self.chance():
            return {}
        return {
            "site": self.some(None, "local", "own"),
            "pfn": self.some(None, "/bin/own", "/bin/own"),
            "is_stageable": self.chance(),
            "bypass_staging": self.chance(0.3),
            "arch": self.some(None, *Arch),
            "os_type": self.some(None, *OS),
            "os_release": self.some(None, "deb"),
            "os_version": self.some(None, "12"),
            "container": self.some(None, "c"),
            "checksum": self.some(None, {"sha256": "ab"}, {"md5": "c"}),
        }

    def transformation_catalog(self):
        catalog = TransformationCatalog()
        for name in ("t", "u", "u")[: self.random.randrange(4)]:
            tool = self.attempt(
                Transformation, name, self.some(None, "n"), self.some(None, "1"), **self.place()
            )
            if tool is None:
                continue
            for site in ("local", "s", "s")[: self.random.randrange(4)]:
                words = {**self.place(), "pfn": "/bin/t"}
                words.pop("site", None)
                words.pop("checksum", None)
                place = self.attempt(TransformationSite, site, **words)
                if place is None:
                    continue
                self.profiles(place)
                self.metadata(place)
                self.attempt(tool.add_sites, place)
            if self.chance(0.3):
                self.attempt(
                    tool.add_requirement,
                    self.some("r", Transformation("r"), "a:b"),
                    namespace=self.some(None, "n"),
                    version=self.some(None, "1"),
                )
            self.profiles(tool)
            self.hooks(tool)
            self.metadata(tool)
            self.attempt(catalog.add_transformations, tool)
        if self.chance():
            image = self.attempt(
                Container,
                "c",
                self.some(Container.DOCKER, Container.SINGULARITY, Container.SHIFTER, "docker"),
                "docker:///x",
                arguments=self.some(None, "--x"),
                mounts=self.some(None, ["/a:/b:ro"]),
                image_site=self.some(None, "s"),
                checksum=self.some(None, {"sha256": "ab"}, {"md5": "c"}),
                bypass_staging=self.chance(),
            )
            if image is not None:
                self.profiles(image)
                other = Container("d", Container.DOCKER, "docker:///y")
                self.attempt(catalog.add_containers, image, self.some(image, other, other))
        return catalog

    def properties(self):
        properties = Properties()
        for _ in range(self.random.randrange(6)):
            key = self.some("pegasus.mode", "env.A", "condor.k", "pegasus.Not.Known", "dagman.retry", "x")
            self.attempt(properties.__setitem__, key, self.value())
        if self.chance():
            namespace = self.some("condor", "env")
            self.attempt(properties.add_site_profile, "s", namespace, "k", self.value())
        return properties

    def workflow(self):
        workflow = Workflow("w", infer_dependencies=self.chance(0.8))
        jobs = [self.job(number) for number in range(self.random.randrange(6))]
        self.attempt(workflow.add_jobs, *jobs)
        for _ in range(self.random.randrange(3)):
            if len(jobs) > 1:
                first, second = self.random.sample(jobs, 2)
                side = self.some("parents", "children")
                self.attempt(workflow.add_dependency, first, **{side: [second]})
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


def as_data(thing, format):
    """Return the document, read by PyYAML."""
    stream = io.StringIO()
    if isinstance(thing, Properties):
        thing.write(stream)
        return sorted(line.split(" = ", 1) for line in stream.getvalue().splitlines() if line)
    thing.write(stream, _format=format)
    return normalised(yaml.safe_load(stream.getvalue()))


KINDS = ("workflow", "workflow", "site_catalog", "replica_catalog", "transformation_catalog", "properties")


def main(first, number):
    """Print one line a seed."""
    logging.disable(logging.CRITICAL)
    for seed in range(first, first + number):
        builder = Builder(seed)
        kind = KINDS[seed % len(KINDS)]
        thing = getattr(builder, kind)()
        document = builder.attempt(as_data, thing, builder.some("yml", "json"))
        print(
            json.dumps(
                {"seed": seed, "kind": kind, "raised": builder.raised, "document": document}, sort_keys=True
            )
        )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
