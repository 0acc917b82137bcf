"""Nodes in, nodes out: geometry, units, tables, plots. Needs a scene: Slicer's own, or ``headless.start()`` first."""
