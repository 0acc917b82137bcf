"""An arterial spin labeling series between the scene and plain arrays.

A series is a sequence node, one multi-component volume, or a list of scalar volumes, with the M0 image among them or in
a volume of its own. What each image is (its role) and the facts of the acquisition stay with a sequence node that this
module made; for other nodes the user tells them.
"""

import json
from collections.abc import Sequence
from dataclasses import replace

import slicer

from ..asl_series import AslRole, AslSeries, LabelingType
from ..errors import InputError
from .dicom_facts import instance_facts
from .geometry import matrix_of
from .image_series import (
    SequenceIndex,
    add_sequence,
    arrays_of,
    check_one_grid,
    container_of,
    describe,
    images_of,
    series_name,
    show_sequence,
    storable,
)

INDEX = SequenceIndex("Volume", "", "{}", slicer.vtkMRMLSequenceNode.TextIndex)
FACTS_ATTRIBUTE = "NPCResponse.Asl"
ROLES_SOURCE = "roles"  # key of AslSeries.sources
# Facts that a sequence node remembers as they are; roles and delays belong to the single images.
NUMBERS = (
    "label_duration_ms",
    "labeling_efficiency",
    "field_strength_t",
    "m0_repetition_time_ms",
    "m0_is_saturation_recovery",
    "n_background_suppression_pulses",
    "slice_times_ms",
    "perfusion_scale",
    "manufacturer",
)


def asl_series_from_nodes(nodes, roles: Sequence[AslRole] = (), m0_volume=None) -> AslSeries:
    """The images, their roles, and the facts that nodes hold.

    Arrays are those of the nodes where possible, not copies, and read-only. The geometry is that of the volumes,
    without their parent transform.

    Args:
        nodes: a sequence, multi-component or multi-volume node, or a list of scalar volume nodes.
        roles: typed by the user, one per image of ``nodes``; they win over what a node remembers.
        m0_volume: a volume (or sequence) with M0 images, on the grid of the others.

    Raises:
        InputError: images without roles, roles that do not fit, images of differing geometry.
    """
    images, container, where = images_of(nodes), container_of(nodes), describe(nodes)
    check_one_grid(images)
    arrays = tuple(arrays_of(images))
    facts = _remembered_facts(container)
    roles, source = _decide_roles(tuple(roles), facts.pop("roles", ()), len(arrays), where)
    delays = facts.pop("post_labeling_delays_ms", None) or (None,) * len(arrays)
    series = AslSeries(
        volumes=arrays,
        roles=roles,
        post_labeling_delays_ms=delays if len(delays) == len(arrays) else (None,) * len(arrays),
        ijk_to_ras=matrix_of(images[0]),
        name=series_name(nodes),
        **facts,
    )
    if series.field_strength_t is None:
        series = replace(series, field_strength_t=instance_facts(images[0]).field_strength_t)
    series = replace(series, sources={**series.sources, ROLES_SOURCE: source})
    return series if m0_volume is None else _with_m0(series, images[0], m0_volume)


def remembered_roles(nodes) -> tuple[AslRole, ...]:
    """The roles that a node of ours knows of its images; empty for others."""
    return _remembered_facts(container_of(nodes)).get("roles", ())


def _decide_roles(
    typed: tuple[AslRole, ...], remembered: tuple[AslRole, ...], n_images: int, where: str
) -> tuple[tuple[AslRole, ...], str]:
    roles, source = (typed, "typed by the user") if typed else (remembered, "the node")
    if not roles:
        raise InputError(
            "nothing tells which images are control, label and M0",
            where=where,
            remedy="Name the role of each image, or load the files with their headers",
        )
    if len(roles) != n_images:
        raise InputError(
            f"{len(roles)} roles were given for {n_images} images", where=where, remedy="Give one role per image"
        )
    return roles, source


def _with_m0(series: AslSeries, first_image, m0_volume) -> AslSeries:
    """M0 images of their own replace those among the others, which may be background-suppressed."""
    if series.indices(AslRole.M0):
        raise InputError(
            f"M0 images are in it, and {m0_volume.GetName()} is chosen as M0, too",
            where=series.name,
            remedy="Choose one of them",
        )
    images = images_of(m0_volume)
    try:
        check_one_grid([first_image, *images])
    except InputError as error:
        raise InputError(
            f"the M0 image: {error.what}", where=error.where, remedy="Give the M0 image of this series, or resample it"
        ) from error
    arrays = tuple(arrays_of(images))
    return replace(
        series,
        volumes=arrays + series.volumes,
        roles=(AslRole.M0,) * len(arrays) + series.roles,
        post_labeling_delays_ms=(None,) * len(arrays) + series.post_labeling_delays_ms,
    )


# -- remembering --


def add_asl_series_to_scene(series: AslSeries):
    """A new sequence node with one volume per image, and a browser that shows it.

    Roles, delays and facts stay with it, also in a saved scene. Warnings and sources do not: they may name files.

    Returns:
        vtkMRMLSequenceNode.
    """
    labels = [f"{n + 1:0{len(str(len(series.roles)))}d} {role.value}" for n, role in enumerate(series.roles)]
    sequence = add_sequence(series.name, series.volumes, INDEX, labels, series.ijk_to_ras)
    facts = {name: getattr(series, name) for name in NUMBERS}
    facts |= {
        "roles": [role.value for role in series.roles],
        "post_labeling_delays_ms": list(series.post_labeling_delays_ms),
        "labeling_type": series.labeling_type.value if series.labeling_type else None,
    }
    sequence.SetAttribute(FACTS_ATTRIBUTE, json.dumps(facts))
    show_sequence(sequence, storable(series.volumes[0]))
    return sequence


def _remembered_facts(node) -> dict:
    """What :func:`add_asl_series_to_scene` wrote, as fields of AslSeries; empty for other nodes."""
    text = node.GetAttribute(FACTS_ATTRIBUTE)
    if not text:
        return {}
    try:
        stored = json.loads(text)
        facts = {name: stored[name] for name in NUMBERS}
        if facts["slice_times_ms"] is not None:
            facts["slice_times_ms"] = tuple(facts["slice_times_ms"])
        facts["roles"] = tuple(AslRole(role) for role in stored["roles"])
        facts["post_labeling_delays_ms"] = tuple(stored["post_labeling_delays_ms"])
        facts["labeling_type"] = LabelingType(stored["labeling_type"]) if stored["labeling_type"] else None
    except (ValueError, KeyError, TypeError):
        return {}  # written by another version: as if it were not there
    return facts
