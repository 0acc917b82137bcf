"""Texture of tumor regions: preparation, gray levels, matrices, features; of whole regions and of neighborhoods.

What everything has in common: arrays are (slice, row, column); gray levels count from 1; a value that is not defined is
NaN and comes with a reason.
"""
