"""The sentences of a heterogeneity report. Plain values in, plain text out."""

from NPCResponseLib.report.citations import Citing

from .subregions_text import texture_sentence

MOST_NAMES = 10
CORRECTIONS = {"bonferroni": "Bonferroni's", "holm": "Holm's", "bh": "Benjamini and Hochberg's"}


def verdict(analysis) -> list[str]:
    """What was found, in sentences."""
    names = ", ".join(name.replace("_", " ") for name in analysis.significant[:MOST_NAMES])
    if len(analysis.significant) > MOST_NAMES:
        names += f" and {len(analysis.significant) - MOST_NAMES} more"
    found = f"{len(analysis.significant)} of {len(analysis.features)} features differ significantly"
    sentences = [
        f"{found} between GTVr and GTVnr in {analysis.n} patients (p < {analysis.alpha:g} after "
        f"{CORRECTIONS[analysis.correction]} correction){': ' + names if names else ''}."
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


def methods(analysis, settings) -> Citing:
    """How the numbers came about, fit to be pasted into a paper."""
    paragraphs = [
        "The part of each tumor that recurred (GTVr) was compared with the rest (GTVnr = GTV - GTVr) {akram2020}. "
        + " ".join(analysis.decisions)
    ]
    if settings is not None:
        paragraphs.insert(0, texture_sentence(settings))
    return Citing.of(paragraphs)


def assumptions() -> list[str]:
    """What the tests take for granted."""
    return [
        "Patients are independent of each other, one pair of regions each.",
        "A feature that depends on the size of a region differs between regions of different size also where the "
        "tissue is the same.",
    ]
