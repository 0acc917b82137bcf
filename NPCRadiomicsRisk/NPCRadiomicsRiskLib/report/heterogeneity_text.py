"""The sentences of a heterogeneity report. Plain values in, plain text out."""

from NPCResponseLib.report.citations import Citing

from .subregions_text import texture_sentence

MOST_NAMES = 10
CORRECTIONS = {"bonferroni": "Bonferroni's", "holm": "Holm's", "bh": "Benjamini and Hochberg's"}


def verdict(analysis) -> list[str]:
    """What was found, in sentences."""
    n = len(analysis.significant)
    names = f": {named(analysis.significant)}" if n else ""
    sentences = [
        f"{n or 'None'} of {len(analysis.features)} features differ{'s' if n == 1 else ''} significantly "
        f"between GTVr and GTVnr in {analysis.n} patients (p < {analysis.alpha:g} after "
        f"{CORRECTIONS[analysis.correction]} correction){names}."
    ]
    published = [each for each in analysis.features if each.published is not None]
    if published:
        again = [each for each in published if each.significant and each.direction_agrees]
        same = [each for each in published if each.direction_agrees]
        sentences.append(
            f"Of the {len(published)} features of the publication {len(again)} are significant here with its "
            f"direction; {len(same)} have its direction at all."
        )
    return sentences


def size_verdict(analysis, size_control) -> list[str]:
    """Whether size alone may explain it, in sentences."""
    if size_control is None:
        return [
            "Whether that exceeds what the sizes of the regions give by themselves was not examined; it takes the "
            "images (a manifest) and --size-control."
        ]
    if not analysis.significant:
        return []
    stays, alone = size_control.beyond_size, size_control.size_alone
    sentences = [
        f"{len(stays) or 'None'} of these {len(analysis.significant)} stay significant beyond size, compared with "
        f"{size_control.n_divisions} random divisions of each tumor into parts of the same sizes."
    ]
    if alone:
        sentences.append(f"The size of the regions alone may explain {named(alone)}.")
    if size_control.opposite:
        sentences.append(f"Beyond size the difference is significantly the other way round for "
                         f"{named(size_control.opposite)}.")  # fmt: skip
    published = [each.name for each in analysis.features if each.published is not None]
    if published:
        n = len(set(published) & set(stays))
        sentences.append(
            f"Of the {len(published)} features of the publication {n or 'none'} differ{'s' if n == 1 else ''} beyond "
            "size here."
        )
    return sentences


def named(features) -> str:
    """Some of them by name."""
    names = ", ".join(name.replace("_", " ") for name in features[:MOST_NAMES])
    return names + (f" and {len(features) - MOST_NAMES} more" if len(features) > MOST_NAMES else "")


def methods(analysis, settings, size_control=None, stability=None) -> Citing:
    """How the numbers came about, fit to be pasted into a paper."""
    paragraphs = [
        "The part of each tumor that recurred (GTVr) was compared with the rest (GTVnr = GTV - GTVr) {akram2020}. "
        + " ".join(analysis.decisions)
    ]
    if settings is not None:
        paragraphs.insert(0, texture_sentence(settings))
    if size_control is not None:
        paragraphs.append(
            f"Size control, beyond the publication: each tumor was also divided {size_control.n_divisions} times by "
            "planes of random direction into parts with as many voxels as GTVr and GTVnr. The mean difference between "
            "such parts was subtracted from GTVr - GTVnr of that patient, and this excess was compared with 0 by the "
            "same path and correction."
        )
    if stability is not None:
        paragraphs.append("Stability, beyond the publication: " + " ".join(stability.method))
    return Citing.of(paragraphs)


def assumptions() -> list[str]:
    """What the tests take for granted."""
    return [
        "Patients are independent of each other, one pair of regions each.",
        "A feature that depends on the size of a region differs between regions of different size also where the "
        "tissue is the same.",
    ]
