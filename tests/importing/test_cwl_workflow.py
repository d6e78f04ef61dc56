"""Converting CWL: what becomes of a workflow, and what is refused, all at once and with its line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from markab.errors import DocumentError, MarkabError, Problem, StorageError
from markab.importing.converted_workflow import ConvertedWorkflow
from markab.importing.cwl_programs import checked_spec
from markab.importing.cwl_workflow import CwlRequest, convert_cwl
from markab.spec.model import Task

pytest.importorskip("cwl_utils")

CAT = """
cwlVersion: v1.2
class: CommandLineTool
baseCommand: cat
inputs:
  files: {type: "File[]", inputBinding: {}}
stdout: all.txt
outputs: {all: stdout}
"""


def convert(
    directory: Path, document: str, inputs: dict[str, Any] | None = None, **keys: Any
) -> ConvertedWorkflow:
    (directory / "wf.cwl").write_text(document)
    (directory / "cat.cwl").write_text(CAT)
    given = directory / "in.json"
    given.write_text(json.dumps(inputs or {}))
    return convert_cwl(CwlRequest(directory / "wf.cwl", given, **keys))


def problems_of(directory: Path, document: str, inputs: dict[str, Any] | None = None) -> list[Problem]:
    with pytest.raises(DocumentError) as caught:
        convert(directory, document, inputs)
    return list(caught.value.problems)


def tool(keys: str, inputs: str = "{}") -> str:
    return f"cwlVersion: v1.2\nclass: CommandLineTool\ninputs: {inputs}\n{keys}"


def only_task(converted: ConvertedWorkflow) -> Task:
    (task,) = converted.workflow.jobs
    return task


def files(directory: Path, *names: str) -> list[dict[str, str]]:
    for name in names:
        (directory / name).parent.mkdir(exist_ok=True, parents=True)
        (directory / name).write_text(name)
    return [{"class": "File", "path": name} for name in names]


def test_arguments_are_ordered_by_position_and_then_by_name(tmp_path: Path) -> None:
    document = tool(
        """
baseCommand: [echo, x]
arguments: [{valueFrom: last, position: 9}, first, {valueFrom: $(runtime.cores), prefix: --cores=, separate: false}]
outputs: {}
""",
        "{z: {type: int, default: 1, inputBinding: {}}, a: {type: boolean, default: true, inputBinding: {prefix: -a}}, "
        "no: {type: boolean, default: false, inputBinding: {prefix: -n}}, e: {type: 'string?', inputBinding: {}}, "
        "l: {type: 'string[]', default: [p, q r], inputBinding: {prefix: -l, itemSeparator: ','}}}",
    )

    assert only_task(convert(tmp_path, document)).arguments == [
        *("x", "first", "--cores=1", "-a", "-l", "'p,q r'", "1", "last")
    ]


def test_a_word_reaches_the_tool_as_it_is_although_planning_replaces_variables(tmp_path: Path) -> None:
    document = tool("baseCommand: [echo, '$HOME', \"it's\"]\narguments: ['\\${HOME}']\noutputs: {}")

    assert only_task(convert(tmp_path, document)).arguments == ["'$HOME'", "'it'\"'\"'s'", "'$''{HOME}'"]


def test_files_of_one_name_get_different_logical_names(tmp_path: Path) -> None:
    inputs = {"files": files(tmp_path, "a/x.txt", "b/x.txt", "y.txt")}
    converted = convert(tmp_path, CAT, inputs)

    assert only_task(converted).arguments == ["inputs/1/x.txt", "inputs/2/x.txt", "y.txt"]
    assert [replica.pfns[0].pfn for replica in converted.replicas.replicas] == [
        str(tmp_path / name) for name in ("a/x.txt", "b/x.txt", "y.txt")
    ]


def test_outputs_of_one_name_are_moved_apart(tmp_path: Path) -> None:
    document = """
cwlVersion: v1.2
class: Workflow
inputs: {words: "string[]"}
outputs: {made: {type: "File[]", outputSource: touch/made}}
steps:
  touch:
    run:
      class: CommandLineTool
      baseCommand: [touch, out]
      inputs: {word: string}
      outputs: {made: {type: File, outputBinding: {glob: out}}}
    scatter: word
    in: {word: words}
    out: [made]
"""
    tasks = convert(tmp_path, document, {"words": ["a", "b"]}).workflow.jobs

    assert [task.id for task in tasks] == ["touch_1", "touch_2"]
    assert [use.lfn for task in tasks for use in task.uses] == ["touch/1/out", "touch/2/out"]
    assert all(use.stage_out for task in tasks for use in task.uses)
    assert "mv out touch/2/out" in tasks[1].arguments[1]


def test_only_outputs_of_the_workflow_are_delivered(tmp_path: Path) -> None:
    document = """
cwlVersion: v1.0
class: Workflow
inputs: {texts: "File[]"}
outputs: {result: {type: File, outputSource: again/all}}
steps:
  again: {run: cat.cwl, in: {files: {source: [first/all], linkMerge: merge_nested}}, out: [all]}
  first: {run: cat.cwl, in: {files: texts}, out: [all]}
"""
    tasks = convert(tmp_path, document, {"texts": files(tmp_path, "t")}).workflow.jobs

    assert [(task.id, task.uses[-1].lfn, task.uses[-1].stage_out) for task in tasks] == [
        ("first", "first/all.txt", False),
        ("again", "again/all.txt", True),
    ]


def test_secondary_files_come_along(tmp_path: Path) -> None:
    files(tmp_path, "x.bam", "x.bam.bai", "x.dict")
    document = tool(
        "baseCommand: cat\noutputs: {}",
        "{b: {type: File, secondaryFiles: [.bai, ^.dict, '.no?'], inputBinding: {}}}",
    )
    task = only_task(convert(tmp_path, document, {"b": {"class": "File", "location": "x.bam"}}))

    assert [use.lfn for use in task.uses] == ["x.bam", "x.bam.bai", "x.dict"]


def test_requirements_become_profiles_and_containers(tmp_path: Path) -> None:
    document = tool(
        """
baseCommand: tool-of-the-image
requirements:
  ResourceRequirement: {coresMin: 2, ramMin: 100.5, tmpdirMin: 3, outdirMin: 4}
  EnvVarRequirement: {envDef: {A: $(runtime.cores) x}}
hints:
  DockerRequirement: {dockerPull: "ubuntu:22.04"}
  SoftwareRequirement: {packages: []}
outputs: {}
"""
    )
    converted = convert(tmp_path, document)
    task = only_task(converted)

    assert task.profiles == {
        "pegasus": {"cores": "2", "memory": "101", "diskspace": "7"},
        "env": {"A": "2 x"},
    }
    (container,) = converted.transformations.containers
    assert (container.type, container.image) == ("docker", "docker://ubuntu:22.04")
    assert converted.transformations.transformations[0].sites[0].container == container.name
    assert task.arguments == ["tool-of-the-image"]
    assert [note.message for note in converted.notes] == ["the hint SoftwareRequirement has no effect"]


def test_a_saved_image_is_a_file(tmp_path: Path) -> None:
    document = tool(
        "baseCommand: x\nhints: {DockerRequirement: {dockerLoad: image.tar, dockerImageId: im}}\noutputs: {}"
    )
    (container,) = convert(tmp_path, document).transformations.containers

    assert (container.name, container.image) == ("im", f"file://{tmp_path}/image.tar")


def test_without_containers_the_programs_of_this_machine_are_used(tmp_path: Path) -> None:
    document = tool("baseCommand: cat\nhints: {DockerRequirement: {dockerPull: x}}\noutputs: {}")
    catalog = convert(tmp_path, document, with_containers=False).transformations

    assert catalog.containers == [] and catalog.transformations[0].sites[0].pfn.endswith("/cat")


def test_the_specification_says_where_programs_are(tmp_path: Path) -> None:
    spec = {"cat": {"site": "here", "is_stageable": True}, "unknown": {"site": "x"}}
    converted = convert(tmp_path, CAT, {"files": []}, spec=spec, spec_file="tr.yml")
    (site,) = converted.transformations.transformations[0].sites

    assert (site.name, site.type) == ("here", "stageable")
    assert [str(note) for note in converted.notes] == ["tr.yml: 'unknown' is the program of no tool"]


def test_a_wrong_specification_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tr.yml").write_text("a: 3\nb: {site: x, colour: 1}\n")

    with pytest.raises(DocumentError) as caught:
        checked_spec({"a": 3, "b": {"site": "x", "colour": 1}}, str(tmp_path / "tr.yml"))
    assert [problem.line for problem in caught.value.problems] == [1, 2]


def test_the_main_process_of_a_graph_is_converted(tmp_path: Path) -> None:
    document = """
cwlVersion: v1.2
$graph:
  - {class: CommandLineTool, id: t, baseCommand: touch, arguments: [f], inputs: {}, outputs: {o: {type: File, outputBinding: {glob: f}}}}
  - class: Workflow
    id: main
    inputs: {}
    outputs: {r: {type: File, outputSource: s/o}}
    steps: {s: {run: "#t", in: {}, out: [o]}}
"""
    task = only_task(convert(tmp_path, document))

    assert (task.id, task.arguments, task.uses[0].stage_out) == ("s", ["f"], True)


def test_everything_without_a_counterpart_is_named_at_once(tmp_path: Path) -> None:
    document = """\
cwlVersion: v1.2
class: Workflow
requirements:
  SubworkflowFeatureRequirement: {}
  InplaceUpdateRequirement: {inplaceUpdate: true}
inputs:
  n: int
  r: {type: {type: record, fields: {a: string}}}
outputs:
  o:
    type: File
    outputSource: [a/o, b/o]
    pickValue: first_non_null
steps:
  a:
    when: $(inputs.n > 1)
    run:
      class: CommandLineTool
      requirements: {InlineJavascriptRequirement: {}}
      baseCommand: no-such-program
      inputs: {n: int}
      arguments:
        - $(inputs.n + 1)
        - ${return 3;}
      outputs:
        o: {type: File, outputBinding: {glob: "*.txt"}}
        p: {type: int, outputBinding: {glob: x, outputEval: $(1)}}
    in: {n: n}
    out: [o, p]
  b:
    run: {class: ExpressionTool, inputs: {}, outputs: {o: int}, expression: "$({o: 1})"}
    in: {}
    out: [o]
  c:
    run: {class: Workflow, inputs: {}, outputs: [], steps: []}
    in: {}
    out: []
"""
    found = [
        (problem.line, problem.message)
        for problem in problems_of(tmp_path, document, {"r": {"a": "x"}, "stray": 1, "n": 2})
    ]

    assert [(line, message) for line, message in found if "wf.cwl" not in message] == found
    assert sorted(found) == [
        (1, "a record cannot be converted"),
        (1, "the workflow has no input 'stray'"),
        (5, "InplaceUpdateRequirement has no counterpart"),
        (10, "pickValue has no counterpart"),
        (16, "a conditional step has no counterpart"),
        (23, "'$(inputs.n + 1)' is JavaScript, which cannot be converted"),
        (24, "'${return 3;}' is JavaScript, which cannot be converted"),
        (26, "glob '*.txt' has wildcards: which files a job makes must be known before it runs"),
        (27, "output 'p' is int: only files can be converted"),
        (31, "an ExpressionTool has no counterpart"),
        (35, "a workflow as a step has no counterpart"),
    ]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (
            tool("baseCommand: no-such-program\noutputs: {}"),
            "the program 'no-such-program' is not on this machine",
        ),
        (tool("outputs: {}"), "the tool has no command"),
        (tool("baseCommand: cat\noutputs: {}", "{a: int}"), "input 'a' (int) has no value"),
        (
            tool("baseCommand: cat\noutputs: {}", "{a: {type: int, default: x}}"),
            "input 'a' is int, and the value is not",
        ),
        (tool("baseCommand: cat\noutputs: {o: File}"), "output 'o' has no glob"),
        (
            tool("baseCommand: cat\noutputs: {o: {type: File?, outputBinding: {glob: x}}}"),
            "output 'o' is optional, and a job makes all of its outputs",
        ),
        (
            tool("baseCommand: cat\noutputs: {o: {type: File, outputBinding: {glob: ../x}}}"),
            "'../x' is not a file in the directory of the tool",
        ),
        (tool("baseCommand: cat\nstdin: x\noutputs: {}"), "stdin 'x' is not an input of the tool"),
        (
            tool("baseCommand: cat\narguments: [$(inputs.x)]\noutputs: {}"),
            "$(inputs.x) names nothing: there is no 'x'",
        ),
        (tool("baseCommand: cat\nbogus: 1\noutputs: {}"), "invalid field `bogus`"),
        (
            tool(
                "baseCommand: cat\noutputs: {}", "{f: {type: File, default: {class: File, location: gone}}}"
            ),
            "there is no file",
        ),
        ("", "the document is empty"),
        ("- 1", "the document is a list; it must be a mapping of keys to values"),
        ("a: [b\nc: d", "not YAML"),
        ("a: 1", "not a CWL document: it has no cwlVersion"),
        ("cwlVersion: v1.2", "not a CWL document: it has no class"),
        ("cwlVersion: v0.9\nclass: Workflow", "CWL v0.9 is not one of v1.0, v1.1, v1.2"),
    ],
)
def test_one_thing_that_is_wrong_is_one_error_with_its_file(
    document: str, message: str, tmp_path: Path
) -> None:
    (problem,) = problems_of(tmp_path, document)

    assert problem.message.startswith(message) and problem.file == str(tmp_path / "wf.cwl")


def test_a_step_whose_tool_is_wrong_does_not_hide_other_errors(tmp_path: Path) -> None:
    (tmp_path / "broken.cwl").write_text("cwlVersion: v1.2\nclass: CommandLineTool\ninputs: 3\noutputs: {}\n")
    document = """
cwlVersion: v1.2
class: Workflow
inputs: {f: File}
outputs: {}
steps:
  a: {run: broken.cwl, in: {}, out: []}
"""
    found = problems_of(tmp_path, document)

    assert {Path(problem.file).name for problem in found} == {"wf.cwl", "broken.cwl"}


def test_a_missing_document_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"there is no file .*gone\.cwl"):
        convert_cwl(CwlRequest(tmp_path / "gone.cwl"))


def test_without_the_package_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cwl_utils", None)
    monkeypatch.delitem(sys.modules, "cwl_utils.parser", raising=False)
    (tmp_path / "wf.cwl").write_text(CAT)

    with pytest.raises(MarkabError) as caught:
        convert_cwl(CwlRequest(tmp_path / "wf.cwl"))
    assert caught.value.hint == "pip install 'markab[cwl]'"
