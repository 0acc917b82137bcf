"""Where a search for an alignment may start, apart from poses at random."""

from collections.abc import Sequence

import numpy as np

from NPCResponseLib.errors import InputError
from NPCResponseLib.registration import rotation_angle_deg

from .images import WorkingImage
from .landmarks import landmark_transform, paired
from .scan_pair import ScanPair

MAX_MOMENT_TURN_DEG = 45.0  # nobody lies on the head in a scanner


def plain_starts(search: ScanPair, landmarks, wanted: Sequence[str]) -> dict[str, np.ndarray]:
    """Name -> 4x4, without the perturbed ones."""
    found: dict[str, np.ndarray] = {}
    shift = np.eye(4)
    shift[:3, 3] = search.fixed.whole_body_ras.mean(axis=0) - search.moving.whole_body_ras.mean(axis=0)
    if landmarks and "landmarks" in wanted:
        found["landmarks"] = _landmark_start(search, *landmarks)
    if "geometry" in wanted:
        found["geometry"] = np.eye(4)
    if "centers" in wanted:
        found["centers"] = shift
    if "moments" in wanted:
        turned = _moment_start(search.fixed, search.moving)
        if turned is not None:
            found["moments"] = turned
    return found or {"geometry": np.eye(4)}


def _landmark_start(search: ScanPair, fixed_points, moving_points) -> np.ndarray:
    try:
        return landmark_transform(fixed_points, moving_points)
    except InputError as error:
        search.warnings.append(f"The landmarks give a shift only: {error}")
        fixed, moving = paired(fixed_points, moving_points)
        matrix = np.eye(4)
        matrix[:3, 3] = (fixed - moving).mean(axis=0)
        return matrix


def _moment_start(fixed: WorkingImage, moving: WorkingImage) -> np.ndarray | None:
    """Principal axes of the bodies on each other, each the way round that turns least; None if that is far."""
    centers, axes = zip(*(_center_and_axes(image) for image in (fixed, moving)), strict=True)
    order = [int(np.argmax(np.abs(axes[1].T @ axes[0])[:, column])) for column in range(3)]
    if len(set(order)) < 3:
        return None
    there = axes[1][:, order]
    there = there * np.sign(np.sum(there * axes[0], axis=0))
    matrix = np.eye(4)
    matrix[:3, :3] = axes[0] @ there.T
    if np.linalg.det(matrix[:3, :3]) < 0 or rotation_angle_deg(matrix) > MAX_MOMENT_TURN_DEG:
        return None
    matrix[:3, 3] = centers[0] - matrix[:3, :3] @ centers[1]
    return matrix


def _center_and_axes(image: WorkingImage) -> tuple[np.ndarray, np.ndarray]:
    """Of the body: middle, and 3x3 principal axes as columns."""
    points = image.whole_body_ras
    return points.mean(axis=0), np.linalg.eigh(np.cov(points.T))[1]
