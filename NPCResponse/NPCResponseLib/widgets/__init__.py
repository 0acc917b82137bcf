"""What the NPCResponse panel is made of: the only part of the library that may import qt, in Slicer's camelCase."""
