"""The sentences of a sub-region report: verdict, methods, assumptions. Plain values in, plain text out."""

from NPCResponseLib.report.citations import Citing

RESAMPLING = {
    "corrected": "resampled to isotropic voxels by cubic interpolation, with the tissue around the region as its "
    "neighborhood and without a shift of half a voxel",
    "toolbox": "resampled to isotropic voxels as the paper's software does, which takes what surrounds the region's "
    "box as 0 and so darkens its edge",
    "none": "not resampled",
}
QUANTIZATION = {
    "lloyd": "Lloyd-Max quantization",
    "equal": "equal-probability quantization",
    "uniform": "uniform quantization",
}


def verdict(measured) -> list[str]:
    """What was found, in sentences."""
    regions = measured.subregions.regions
    share = regions.volumes_cm3["GTVr"] / regions.volumes_cm3["GTV"]
    sentences = [
        f"GTVr, the part of the tumor that recurred, takes {100 * share:.0f} % of GTV "
        f"({regions.volumes_cm3['GTVr']:.2f} of {regions.volumes_cm3['GTV']:.2f} cm3)."
    ]
    if regions.gtvr_outside_fraction > 0.005:
        sentences.append(
            f"{100 * regions.gtvr_outside_fraction:.0f} % of the recurrence ({regions.gtvr_outside_cm3:.2f} cm3) lies "
            "outside GTV and is not in the features."
        )
    found = measured.subregions.in_field
    if found is not None:
        holds = "" if found.category_holds else " That changes if the dose is shifted by 2 mm."
        sentences.append(
            f"The recurrence is {found.category}: {100 * found.share_within:.0f} % of it lies within "
            f"{found.isodose_gy:.1f} Gy ({100 * found.isodose:g} % of {found.prescription_gy:g} Gy).{holds}"
        )
    return sentences


def methods(measured) -> Citing:
    """How the numbers came about, fit to be pasted into a paper."""
    paragraphs = []
    if measured.alignment is not None:
        paragraphs.append(_alignment(measured.alignment.alignment))
    islands = measured.subregions.regions.islands.rule
    paragraphs.append(
        "The recurrence contour was carried to the grid of the tumor contour by shape-based interpolation and divided "
        "the gross tumor volume into a recurrent part (GTVr) and the rest (GTVnr = GTV - GTVr) {akram2020}. "
        f"{islands}"
    )
    if measured.subregions.in_field is not None:
        paragraphs.append(
            "A recurrence counts as in-field if at least 95 % of it lies within the 95 % isodose, as marginal from "
            "20 % on, else as out of field {akram2020} {dawson2000}."
        )
    paragraphs.append(texture_sentence(measured.features.settings))
    if measured.size_control is not None:
        paragraphs.append(
            f"Size control, beyond the publication: {measured.size_control.method}; features of those parts were "
            "measured alike."
        )
    if measured.map is not None:
        paragraphs.append(
            "The radio-resistance map is exploratory and goes beyond the publication: the seven features that differed "
            "significantly there {akram2020}, computed in a neighborhood of each voxel. " + measured.map.map.explanation
        )
    return Citing.of(paragraphs)


def _alignment(alignment) -> str:
    if alignment.start == "given":
        return "The scans were aligned by a transform that the user gave; its quality was assessed as below."
    return (
        "The recurrence image was rigidly aligned to the pre-treatment image within a volume of interest around the "
        "tumor, by multi-resolution maximization of mutual information {mattes2003} from several starts; the result "
        f'came from the start "{alignment.start}".'
    )


def texture_sentence(settings) -> str:
    outliers = (
        "Voxels beyond three standard deviations of the region's mean were left out. "
        if settings.outliers != "none"
        else ""
    )
    scope = "over both regions together" if settings.levels_shared else "for each region by itself"
    neighbors = "in the slice" if settings.dimensions == 2 else "in three dimensions"
    weights = (
        "with the distance weights of that software"
        if settings.weights == "toolbox"
        else "with weight 1, as the Image Biomarker Standardization Initiative defines them {zwanenburg2020}"
    )
    return (
        f"{outliers}Images were {RESAMPLING[settings.resampling]}; {QUANTIZATION[settings.quantization]} to "
        f"{settings.n_levels} gray levels, {scope}. 7 histogram features of the intensities and 40 texture features "
        f"(GLCM 9, GLRLM 13, GLSZM 13, NGTDM 5) were computed {neighbors} by the definitions of the software used in "
        f"the publication {{akram2020}} {{vallieres2015}}, {weights}."
    )


def assumptions(measured) -> list[str]:
    """What the study does not print and this measurement had to choose."""
    return [
        "The publication does not tell whether images were resampled, whether both regions shared one quantization, "
        "and by which divisor its variance is; the choices here are named under Methods.",
        "GTVr and GTVnr differ in size, and many texture features depend on size: a difference need not be one of "
        "tissue.",
    ] + (
        []
        if measured.alignment is None
        else ["The anatomy within the volume of interest moved rigidly between the scans."]
    )
