#!/usr/bin/env python3
"""A job builds an image from a build file; two others run in it. Needs podman and a static busybox."""

from pathlib import Path

from Pegasus.api import Container, Job, ReplicaCatalog, Transformation, TransformationCatalog, Workflow

HERE = Path(__file__).resolve().parent

Path("names.txt").write_text("Mizar\nAlcor\nMarkab\n")
replicas = ReplicaCatalog()
replicas.add_replica("local", "Containerfile", str(HERE / "Containerfile"))
replicas.add_replica("local", "names.txt", str(Path("names.txt").resolve()))

# The image is a file of this workflow: `build` makes it, and who runs in it has it as an input.
box = Container("box", Container.DOCKER, "lfn://box.tar")
program = str(HERE / "bin" / "build-image")
build = Transformation("build-image", site="local", pfn=program, is_stageable=True)
sort = Transformation("sort", site="local", pfn="/bin/sort", is_stageable=False, container=box)
count = Transformation("wc", site="local", pfn="/bin/wc", is_stageable=False, container=box)
transformations = TransformationCatalog()
transformations.add_containers(box)
transformations.add_transformations(build, sort, count)

made = Job(build).add_args("Containerfile", "box.tar").add_inputs("Containerfile")
made.add_outputs("box.tar", stage_out=False)
sorted_names = Job(sort).add_args("names.txt").add_inputs("box.tar", "names.txt").set_stdout("sorted.txt")
counted = Job(count).add_args("-l", "sorted.txt").add_inputs("box.tar", "sorted.txt").set_stdout("count.txt")

workflow = Workflow("container", infer_dependencies=True)
workflow.add_replica_catalog(replicas)
workflow.add_transformation_catalog(transformations)
workflow.add_jobs(made, sorted_names, counted)
workflow.write()
