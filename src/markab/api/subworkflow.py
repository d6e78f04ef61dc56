"""The builder of sub-workflows: workflows that are one job of another workflow."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markab.api.errors import PegasusError
from markab.api.files import File
from markab.api.job import AbstractJob
from markab.api.workflow_document import WorkflowDocument

if TYPE_CHECKING:
    from typing_extensions import Self


class SubWorkflow(AbstractJob):
    """A workflow that is planned and run as a job, or one that is planned already."""

    is_sub_workflow = True

    def __init__(
        self,
        file: str | File | WorkflowDocument,
        is_planned: bool = False,
        _id: str | None = None,
        node_label: str | None = None,
    ) -> None:
        """Name the document of the sub-workflow, or pass its Workflow.

        The document becomes an input, so that a job of the parent may make it.
        A Workflow is written when its parent is.

        Raises:
            TypeError: `file` is neither of them.
        """
        super().__init__(_id, node_label)
        if not isinstance(file, (str, File, WorkflowDocument)):
            raise TypeError(
                f"a sub-workflow is a File, the name of one, or a Workflow, not {file!r} ({type(file).__name__})"
            )
        self.type = "condorWorkflow" if is_planned else "pegasusWorkflow"
        self._planner_args_given = False
        self.file: str | WorkflowDocument = file.lfn if isinstance(file, File) else file
        """Logical name of the document, or the Workflow that it will have."""
        self._document: str | None = None
        if isinstance(self.file, str):
            # A file of its own, so that the one given is not marked in the job that makes it.
            self._document = self.file
            self.add_inputs(File(self.file, for_planning=True))

    def add_planner_args(self, **options: Any) -> Self:
        """Set the planner's options for the sub-workflow; the keywords are those of `Workflow.plan`.

        Raises:
            PegasusError: called a second time, or the sub-workflow is planned already.
            TypeError: an option has the wrong type, where a list or a dict is needed.
        """
        if self.type == "condorWorkflow":
            raise PegasusError(f"{self!r} is planned already, so it takes no arguments of the planner")
        if self._planner_args_given:
            raise PegasusError(
                f"{self!r} has its arguments of the planner already: give all of them in one call"
            )
        from markab.planner.options import accepted, to_words

        self.args.extend(to_words(accepted(options)))
        self._planner_args_given = True
        return self

    def write_child(self, directory: Path) -> Path | None:
        """Write the Workflow this was made of to `directory`; return its path, or None if there is none."""
        if isinstance(self.file, str):
            return None
        path = directory / f"{self.file.name}_{self._id}.yml"
        self.file.write(path)
        if self._document is None:
            self._document = path.name
            self.add_inputs(path.name)
        return path

    def _head(self) -> dict[str, Any]:
        if self._document is None:
            raise PegasusError(
                f"{self!r} holds a Workflow that has no file yet: write the workflow it belongs to with write()"
            )
        return {"type": self.type, "file": self._document}

    def _names(self) -> Iterable[tuple[str, object]]:
        yield "_id", self._id
        yield "file", self.file if isinstance(self.file, str) else self.file.name
        yield "is_planned", self.type == "condorWorkflow"
        yield "node_label", self.node_label
