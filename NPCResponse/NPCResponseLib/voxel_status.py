"""What became of a voxel: the interface that every map's status codes share, so that regions can be counted alike."""

import enum


class StatusCode(enum.IntEnum):
    """Base of a map's status codes. 0 means ok; the members are a subclass's."""

    def label(self) -> str:
        """In words, for tables and legends."""
        raise NotImplementedError

    @property
    def is_fitted(self) -> bool:
        """Whether the map has a value there; flagged voxels have one, too."""
        raise NotImplementedError

    @property
    def remedy(self) -> str:
        """What would help, as a sentence; "" if nothing is known."""
        return ""

    @property
    def false_alarm_rate(self) -> float | None:
        """Share of sound voxels that carry this flag by chance, or None when it is not raised by a test."""
        return None
