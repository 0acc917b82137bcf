"""Places of nodes in the subject hierarchy."""

import slicer

# In the application a plugin owns each item and is found by itself; a scene made without it must name them.
OWNERS = (
    ("vtkMRMLLabelMapVolumeNode", "LabelMaps"),
    ("vtkMRMLVolumeNode", "Volumes"),
    ("vtkMRMLSegmentationNode", "Segmentations"),
    ("vtkMRMLTableNode", "Tables"),
    ("vtkMRMLPlotChartNode", "Plots"),
    ("vtkMRMLPlotSeriesNode", "Plots"),
    ("vtkMRMLMarkupsNode", "Markups"),
)


def place_beside(node, sibling) -> int:
    """Put a node into the folder of a sibling (or to the top if that has none); returns its item."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(node.GetScene())
    parent = hierarchy.GetSceneItemID()
    sibling_item = hierarchy.GetItemByDataNode(sibling) if sibling is not None and sibling.GetScene() else 0
    if sibling_item:
        parent = hierarchy.GetItemParent(sibling_item)
    item = hierarchy.CreateItem(parent, node)
    if item and not hierarchy.GetItemOwnerPluginName(item):
        owner = next((name for node_class, name in OWNERS if node.IsA(node_class)), "")
        hierarchy.SetItemOwnerPluginName(item, owner)
    return item
