"""Write the documents of a workflow with PyCBC, whichever `Pegasus.api` is installed.

    python pycbc_documents.py flat|nested|deep --config-files FILE --workflow-name top

Two programs that hand on files: as jobs of one workflow, or in sub-workflows, one of which may have its own.
"""

import argparse
import os

import pycbc.workflow as wf


def node(program, source, name):
    """Return a job that reads one file and makes another, and this file."""
    made = wf.File.from_path(os.path.abspath(name))
    job = program.create_node()
    job.add_input_arg(source)
    job.add_output_arg(made)
    return job, made


def add_nested(top, args, copy, words, deep):
    first, second = wf.Workflow(args, "first"), wf.Workflow(args, "second")
    job, made = node(copy, words, "made.2")
    if deep:
        inner = wf.Workflow(args, "inner")
        inner += job
        first += inner
    else:
        first += job
    second += node(copy, made, "made.3")[0]
    top += node(copy, made, "made.4")[0]
    top += first
    top += second


def add_flat(top, copy, words):
    job, made = node(copy, words, "made.txt")
    top += job
    sort = wf.Executable(top.cp, "sort")
    for number in (1, 2):
        job = sort.create_node()
        job.add_input_arg(made)
        job.add_opt("--key", str(number))
        job.new_output_file_opt(top.analysis_time, ".txt", "--output", tags=[str(number)])
        top += job


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("shape", choices=["flat", "nested", "deep"])
    wf.add_workflow_command_line_group(parser)
    wf.add_workflow_settings_cli(parser)
    args = parser.parse_args()
    words = wf.resolve_url_to_file(os.path.abspath("words.txt"))
    top = wf.Workflow(args, "top")
    copy = wf.Executable(top.cp, "copy")
    if args.shape == "flat":
        add_flat(top, copy, words)
    else:
        add_nested(top, args, copy, words, args.shape == "deep")
    top.save()


if __name__ == "__main__":
    main()
