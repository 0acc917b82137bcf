"""The recurrence scan (or a planning CT) laid over the pre-treatment scan, and how far that can be trusted."""
