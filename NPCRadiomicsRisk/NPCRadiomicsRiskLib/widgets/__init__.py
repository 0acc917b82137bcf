"""The panel of the module, over the base classes of ``NPCResponseLib.widgets``. Needs Slicer with Qt."""
