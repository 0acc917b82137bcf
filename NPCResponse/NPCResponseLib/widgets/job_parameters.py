"""What the parameters of every section with a job share: results that belong to an input, and nodes that go. No Qt."""

from slicer.util import NodeModify


class JobParameters:
    """Reads and writes an ``NPCResponseParameterNode`` on behalf of one section. A subclass sets the names below.

    Attributes:
        inputs: parameters with one input node each.
        outputs: parameter of an output node: field of the job's outputs.
        texts: parameters with the result in words.
        source: parameter with the input that the results belong to. focus: parameter with the point to show. Both may
            be empty.
        mainOutput: the output without which the others are no result.
        segmentation, segmentId, exclusionIds: parameters of the region; the last may be empty.
    """

    inputs: tuple[str, ...] = ()
    outputs: dict[str, str] = {}
    texts: tuple[str, ...] = ()
    source = focus = mainOutput = ""
    segmentation = segmentId = exclusionIds = ""

    def __init__(self, parameterNode):
        self.values = parameterNode

    def inputNodes(self) -> list:
        """The nodes with the images; empty when none are chosen."""
        raise NotImplementedError

    def hasResults(self) -> bool:
        return getattr(self.values, self.mainOutput) is not None

    def outcomeText(self, result) -> str:
        """One line for the status label."""
        raise NotImplementedError

    def outputNodes(self) -> dict[str, object]:
        """Chosen output nodes by field of the job's outputs; None where a new one is wanted."""
        return {field: getattr(self.values, name) for name, field in self.outputs.items()}

    def keepOutputs(self, found) -> None:
        """The nodes that a job wrote become the chosen ones."""
        for name, field in self.outputs.items():
            setattr(self.values, name, getattr(found, field))

    def forgetNode(self, node) -> None:
        """Take a node that is about to be removed out of the parameters."""
        values = self.values
        with NodeModify(values.parameterNode):
            if node in [getattr(values, name) for name in (self.source, self.mainOutput) if name]:
                self.releaseResults()
            for name in (*self.inputs, *self.outputs):
                if getattr(values, name) is node:
                    setattr(values, name, None)
            if self.segmentation and getattr(values, self.segmentation) is None and getattr(values, self.segmentId):
                setattr(values, self.segmentId, "")
                if self.exclusionIds:
                    setattr(values, self.exclusionIds, [])

    def releaseOtherResults(self) -> None:
        """Another input was chosen: its results go to new nodes, those of the first input stay as they are."""
        nodes, source = self.inputNodes(), getattr(self.values, self.source)
        if nodes and source is not None and source not in nodes:
            self.releaseResults()

    def releaseResults(self) -> None:
        with NodeModify(self.values.parameterNode):
            for name in (*self.outputs, *filter(None, [self.source])):
                setattr(self.values, name, None)
            for name in self.texts:
                setattr(self.values, name, "")
            if self.focus:
                setattr(self.values, self.focus, [])
