"""Fixtures that several test files share."""

import pytest


@pytest.fixture
def scene():
    """The real MRML scene, empty."""
    from NPCResponseLib import headless

    scene = headless.start()
    scene.Clear()
    yield scene
    scene.Clear()
