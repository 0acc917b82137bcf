"""What the parameters of every tab share: results that belong to inputs, and nodes that go. No Qt."""

from slicer.util import NodeModify

from NPCResponseLib.widgets.job_parameters import JobParameters


class SectionParameters(JobParameters):
    """Reads and writes an ``NPCRadiomicsRiskParameterNode`` on behalf of one tab. A subclass sets the names below.

    Attributes:
        sources: parameters that keep which inputs the results belong to; ``sourceNodes`` tells the inputs of now.
    """

    sources: tuple[str, ...] = ()

    def sourceNodes(self) -> tuple:
        """The inputs that results belong to, in the order of ``sources``; None where none is chosen."""
        raise NotImplementedError

    def choices(self) -> list[tuple[str, str]]:
        """What is chosen for a run, for the foot of a report: options of ``npc-radiomics`` where there is one."""
        return []

    def inputNodes(self) -> list:
        return [node for node in self.sourceNodes() if node is not None]

    def keepSources(self, nodes) -> None:
        for name, node in zip(self.sources, nodes, strict=True):
            setattr(self.values, name, node)

    def releaseOtherResults(self) -> None:
        """Another input was chosen: its results go to new nodes, those of the first input stay as they are."""
        for name, node in zip(self.sources, self.sourceNodes(), strict=True):
            source = getattr(self.values, name)
            if node is not None and source is not None and node is not source:
                self.releaseResults()
                return

    def releaseResults(self) -> None:
        with NodeModify(self.values.parameterNode):
            super().releaseResults()
            for name in self.sources:
                setattr(self.values, name, None)

    def forgetNode(self, node) -> None:
        with NodeModify(self.values.parameterNode):
            if any(getattr(self.values, name) is node for name in self.sources):
                self.releaseResults()
            super().forgetNode(node)
