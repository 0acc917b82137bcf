"""Nodes in, nodes out. Needs a scene: Slicer's own, or ``NPCResponseLib.headless.start()`` first.

Everything here is in world coordinates: where nodes are shown, with the linear transforms above them.
"""
