"""CWL workflows give the same files here as with `cwltool`, the reference implementation, from PyPI."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from integration.official_packages import python_with
from integration.tools import environment, markab

CWLTOOL = "cwltool==3.3.20260925135507"
pytest.importorskip("cwl_utils")

TOOLS = {
    "cat.cwl": """
cwlVersion: v1.2
class: CommandLineTool
baseCommand: cat
inputs:
  files: {type: "File[]", inputBinding: {position: 1}}
  name: {type: string, default: all.txt}
stdout: $(inputs.name)
outputs:
  all: stdout
""",
    "count.cwl": """
cwlVersion: v1.0
class: CommandLineTool
baseCommand: [wc, -l]
inputs:
  file: File
stdin: $(inputs.file.path)
stdout: $(inputs.file.nameroot).count
outputs:
  count: {type: File, outputBinding: {glob: $(inputs.file.nameroot).count}}
""",
    "fixed.cwl": """
cwlVersion: v1.2
class: CommandLineTool
requirements: {ShellCommandRequirement: {}}
arguments:
  - {shellQuote: false, valueFrom: "sort"}
  - {valueFrom: $(inputs.file)}
  - {shellQuote: false, valueFrom: "> sorted.txt && cp sorted.txt sorted.txt.bak"}
inputs: {file: File}
outputs:
  sorted: {type: File, secondaryFiles: .bak, outputBinding: {glob: sorted.txt}}
""",
}

WORKFLOWS = {
    "chain": (
        """
cwlVersion: v1.2
class: Workflow
inputs: {texts: "File[]", reverse: {type: boolean, default: true}, key: int}
outputs:
  result: {type: File, outputSource: sort/sorted}
  whole: {type: File, outputSource: cat/all}
steps:
  sort:
    run:
      class: CommandLineTool
      baseCommand: sort
      arguments: [{prefix: -t, valueFrom: " ", separate: false, position: 1}]
      inputs:
        file: {type: File, inputBinding: {position: 5}}
        reverse: {type: boolean, inputBinding: {prefix: -r, position: 2}}
        key: {type: int, inputBinding: {prefix: -k, separate: false}}
      stdout: sorted.k$(inputs.key).txt
      outputs: {sorted: stdout}
    in: {file: cat/all, reverse: reverse, key: key}
    out: [sorted]
  cat: {run: cat.cwl, in: {files: texts}, out: [all]}
""",
        {"texts": ["a-b.txt", "b.txt"], "key": 2},
    ),
    "scatter": (
        """
cwlVersion: v1.1
class: Workflow
requirements: {ScatterFeatureRequirement: {}, StepInputExpressionRequirement: {}}
inputs: {texts: "File[]"}
outputs:
  counts: {type: "File[]", outputSource: count/count}
  joined: {type: File, outputSource: join/all}
steps:
  count: {run: count.cwl, scatter: file, in: {file: texts}, out: [count]}
  join: {run: cat.cwl, in: {files: count/count, name: {valueFrom: joined.txt}}, out: [all]}
""",
        {"texts": ["a-b.txt", "b.txt", "sub/b2.txt"]},
    ),
    "one_name_for_all": (
        """
cwlVersion: v1.2
class: Workflow
requirements: {ScatterFeatureRequirement: {}}
inputs: {texts: "File[]"}
outputs:
  joined: {type: File, outputSource: join/all}
steps:
  sort: {run: fixed.cwl, scatter: file, in: {file: texts}, out: [sorted]}
  join: {run: cat.cwl, in: {files: sort/sorted}, out: [all]}
""",
        {"texts": ["a-b.txt", "b.txt"]},
    ),
    "crossproduct": (
        """
cwlVersion: v1.2
class: Workflow
requirements: {ScatterFeatureRequirement: {}, MultipleInputFeatureRequirement: {}}
inputs: {words: "string[]", numbers: "float[]"}
outputs:
  joined: {type: File, outputSource: join/all}
steps:
  say:
    run:
      class: CommandLineTool
      baseCommand: [printf, "%s %s\\\\n"]
      inputs:
        word: {type: string, inputBinding: {position: 1}}
        number: {type: float, inputBinding: {position: 2}}
      stdout: said.$(inputs.number).txt
      outputs: {said: stdout}
    scatter: [word, number]
    scatterMethod: flat_crossproduct
    in: {word: words, number: numbers}
    out: [said]
  join:
    run: cat.cwl
    in: {files: {source: [say/said, say/said], linkMerge: merge_flattened}}
    out: [all]
""",
        {"words": ["it's", "$HOME"], "numbers": [1.5, 2]},
    ),
    "work_directory": (
        """
cwlVersion: v1.2
class: Workflow
inputs: {text: File, items: {type: "string[]", default: [x, "y z", "$HOME"]}}
outputs:
  listing: {type: File, outputSource: work/listing}
  folder: {type: Directory, outputSource: work/folder}
steps:
  work:
    run:
      class: CommandLineTool
      requirements:
        EnvVarRequirement: {envDef: {GREETING: "good $(inputs.items[1])"}}
        ResourceRequirement: {coresMin: 1, ramMin: 64}
        InitialWorkDirRequirement:
          listing:
            - {entryname: run.sh, entry: 'mkdir folder; echo "\\$@" > folder/args; cat here.txt > listing; echo $GREETING >> listing; exit 3'}
            - {entryname: here.txt, entry: $(inputs.text)}
      baseCommand: [sh, run.sh]
      successCodes: [3]
      inputs:
        text: File
        items: {type: "string[]", inputBinding: {prefix: --items=, itemSeparator: ",", separate: false}}
        each: {type: {type: array, items: int, inputBinding: {prefix: -e}}, default: [1, 2], inputBinding: {position: 9}}
      outputs:
        listing: {type: File, outputBinding: {glob: listing}}
        folder: {type: Directory, outputBinding: {glob: folder}}
    in: {text: text, items: items}
    out: [listing, folder]
""",
        {"text": "b.txt"},
    ),
    "directories": (
        """
cwlVersion: v1.2
class: Workflow
inputs: {folder: Directory}
outputs:
  copy: {type: Directory, outputSource: copy/made}
  found: {type: File, outputSource: list/found}
steps:
  copy:
    run:
      class: CommandLineTool
      hints: {DockerRequirement: {dockerPull: "debian:12"}}
      baseCommand: [cp, -r]
      arguments: [{valueFrom: made, position: 2}]
      inputs: {folder: {type: Directory, inputBinding: {position: 1}}}
      outputs: {made: {type: Directory, outputBinding: {glob: made}}}
    in: {folder: folder}
    out: [made]
  list:
    run:
      class: CommandLineTool
      baseCommand: ls
      inputs: {folders: {type: "Directory[]", inputBinding: {}}}
      stdout: found
      outputs: {found: stdout}
    in: {folders: {source: [copy/made], linkMerge: merge_nested}}
    out: [found]
""",
        {"folder": "sub"},
    ),
    "graph_with_stdin": (
        """
cwlVersion: v1.1
$graph:
  - class: CommandLineTool
    id: up
    baseCommand: [tr, a-z, A-Z]
    inputs: {text: stdin}
    outputs: {shouted: stdout, said: stderr}
    stdout: shouted.txt
    stderr: said.txt
  - class: Workflow
    id: main
    inputs: {text: File}
    outputs:
      shouted: {type: File, outputSource: again/shouted}
      said: {type: File, outputSource: once/said}
    steps:
      once: {run: "#up", in: {text: text}, out: [shouted, said]}
      again: {run: "#up", in: {text: once/shouted}, out: [shouted]}
""",
        {"text": "b.txt"},
    ),
    "tool_alone": (TOOLS["count.cwl"], {"file": "b.txt"}),
}


@pytest.mark.integration
@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_gives_the_files_that_cwltool_gives(name: str, tmp_path: Path) -> None:
    document, values = WORKFLOWS[name]
    for file, text in {**TOOLS, "main.cwl": document}.items():
        (tmp_path / file).write_text(text)
    for number, file in enumerate(("a-b.txt", "b.txt", "sub/b2.txt")):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(
            "".join(f"{(i * 7 + number) % 5} line {i % 3}\n" for i in range(6 + number))
        )
    (tmp_path / "inputs.json").write_text(
        json.dumps({key: _as_input(value) for key, value in values.items()})
    )

    expected = _by_cwltool(tmp_path)
    markab("import", "main.cwl", "project", "--inputs", "inputs.json", "--no-container", cwd=tmp_path)
    markab("run", "--output-dir", "results", "workflow.yml", cwd=tmp_path / "project")

    found = Counter(
        (path.name, _sha1(path)) for path in (tmp_path / "project/results").rglob("*") if path.is_file()
    )
    assert expected and found == expected


def _as_input(value):
    if isinstance(value, list):
        return [_as_input(each) for each in value]
    if value == "sub":
        return {"class": "Directory", "path": value}
    return {"class": "File", "path": value} if str(value).endswith(".txt") else value


def _by_cwltool(directory: Path) -> Counter[tuple[str, str]]:
    try:
        python = python_with(CWLTOOL)
    except subprocess.CalledProcessError:
        pytest.skip("cwltool cannot be installed")
    done = subprocess.run(
        [
            python,
            "-m",
            "cwltool",
            "--quiet",
            "--no-container",
            "--outdir",
            "theirs",
            "main.cwl",
            "inputs.json",
        ],
        cwd=directory,
        env=environment() | {"PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Counter(_files(json.loads(done.stdout)))


def _files(value):
    """Yield name and checksum of the files of an output object."""
    if isinstance(value, list):
        for each in value:
            yield from _files(each)
    elif isinstance(value, dict) and value.get("class") == "File":
        yield value["basename"], value["checksum"].removeprefix("sha1$")
        yield from _files(value.get("secondaryFiles"))
    elif isinstance(value, dict):
        yield from _files(list(value["listing"] if "class" in value else value.values()))


def _sha1(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()
