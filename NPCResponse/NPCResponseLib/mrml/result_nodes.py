"""Rules that every job keeps when it writes its results: nothing into an input, nothing left behind by a failure."""

import contextlib
from collections.abc import Iterator, Sequence

import slicer

from ..errors import InputError


def check_outputs(outputs: Sequence, inputs: Sequence) -> None:
    """Raise InputError if a node to be written is also read, or chosen twice."""
    for node in outputs:
        if any(node is other for other in inputs):
            raise InputError(f"{node.GetName()} is both input and output", remedy="Choose another output")
    if len({id(node) for node in outputs}) < len(outputs):
        raise InputError("one node is chosen for two outputs", remedy="Choose one node for each")


@contextlib.contextmanager
def removed_on_failure() -> Iterator[None]:
    """Take nodes that were added to the scene within this context out again if it fails."""
    known = {slicer.mrmlScene.GetNthNode(n).GetID() for n in range(slicer.mrmlScene.GetNumberOfNodes())}
    try:
        yield
    except BaseException:
        nodes = [slicer.mrmlScene.GetNthNode(n) for n in range(slicer.mrmlScene.GetNumberOfNodes())]
        for node in nodes:
            if node.GetID() not in known and slicer.mrmlScene.IsNodePresent(node):
                slicer.mrmlScene.RemoveNode(node)
        raise
