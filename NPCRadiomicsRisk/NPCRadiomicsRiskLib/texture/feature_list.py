"""The names of the 47 features, what each means, and by whose definition."""

from dataclasses import dataclass

TOOLBOX = "TextureToolbox (Vallieres 2015)"


@dataclass(frozen=True)
class Feature:
    """Attributes:
    name: "<family>_<short name>", as columns and tables have it.
    label: in words.
    definition: whose, and how it differs with weights "ibsi".
    ibsi_tag: tag of the Image Biomarker Standardization Initiative that the feature has with weights "ibsi", or None.
    unit: "1" for none; "I" for the image's gray values.
    """

    name: str
    family: str
    label: str
    definition: str
    ibsi_tag: str | None
    unit: str = "1"

    @property
    def short_name(self) -> str:
        return self.name.split("_", 1)[1]


_SAMPLE_MOMENT = "moment of the intensities"
_WEIGHTED = f"{TOOLBOX}: pairs and runs weigh their distance; 1 with weights ibsi"
_PLAIN = f"{TOOLBOX} and IBSI alike"
_CELLS = f"{TOOLBOX}: variance over the cells of the matrix; of the distribution with weights ibsi"
_NEIGHBORS = f"{TOOLBOX}: neighbors weigh 1 / distance; alike with weights ibsi"
_SCALED = f"{TOOLBOX}: over twice the squared number of levels; not with weights ibsi"

# family: (short name, label, definition, IBSI tag, unit)
_LISTED = {
    "Intensity": (
        ("Mean", "Mean", _SAMPLE_MOMENT, "stat_mean", "I"),
        ("Variance", "Variance", "with n - 1; with n for weights ibsi", "stat_var", "I^2"),
        ("Skewness", "Skewness", _SAMPLE_MOMENT, "stat_skew", "1"),
        ("Kurtosis", "Kurtosis", "not less 3; less 3 for weights ibsi", "stat_kurt", "1"),
        ("MAD", "Mean absolute deviation", _SAMPLE_MOMENT, "stat_mad", "I"),
        ("Hyperskewness", "Hyperskewness", "5th standardized central moment", None, "1"),
        ("Hyperflatness", "Hyperflatness", "6th standardized central moment", None, "1"),
    ),
    "GLCM": (
        ("Energy", "Energy", _WEIGHTED, "cm_energy", "1"),
        ("Contrast", "Contrast", _WEIGHTED, "cm_contrast", "1"),
        ("Entropy", "Entropy", _WEIGHTED, "cm_joint_entr", "bit"),
        ("Homogeneity", "Homogeneity", _WEIGHTED, "cm_inv_diff", "1"),
        ("Correlation", "Correlation", f"{_WEIGHTED}; of the matrix rounded to whole numbers", "cm_corr", "1"),
        ("SumAverage", "Sum average", _SCALED, "cm_sum_avg", "1"),
        ("Variance", "Variance", _SCALED, "cm_joint_var", "1"),
        ("Dissimilarity", "Dissimilarity", _WEIGHTED, "cm_diff_avg", "1"),
        ("AutoCorrelation", "Autocorrelation", _WEIGHTED, "cm_auto_corr", "1"),
    ),
    "GLRLM": (
        ("SRE", "Short run emphasis", _WEIGHTED, "rlm_sre", "1"),
        ("LRE", "Long run emphasis", _WEIGHTED, "rlm_lre", "1"),
        ("GLN", "Gray-level non-uniformity (normalized)", _WEIGHTED, "rlm_glnu_norm", "1"),
        ("RLN", "Run length non-uniformity (normalized)", _WEIGHTED, "rlm_rlnu_norm", "1"),
        ("RP", "Run percentage", _WEIGHTED, "rlm_r_perc", "1"),
        ("LGRE", "Low gray-level run emphasis", _WEIGHTED, "rlm_lgre", "1"),
        ("HGRE", "High gray-level run emphasis", _WEIGHTED, "rlm_hgre", "1"),
        ("SRLGE", "Short run low gray-level emphasis", _WEIGHTED, "rlm_srlge", "1"),
        ("SRHGE", "Short run high gray-level emphasis", _WEIGHTED, "rlm_srhge", "1"),
        ("LRLGE", "Long run low gray-level emphasis", _WEIGHTED, "rlm_lrlge", "1"),
        ("LRHGE", "Long run high gray-level emphasis", _WEIGHTED, "rlm_lrhge", "1"),
        ("GLV", "Gray-level variance", _CELLS, "rlm_gl_var", "1"),
        ("RLV", "Run length variance", _CELLS, "rlm_rl_var", "1"),
    ),
    "GLSZM": (
        ("SZE", "Small zone emphasis", _PLAIN, "szm_sze", "1"),
        ("LZE", "Large zone emphasis", _PLAIN, "szm_lze", "1"),
        ("GLN", "Gray-level non-uniformity (normalized)", _PLAIN, "szm_glnu_norm", "1"),
        ("ZSN", "Zone size non-uniformity (normalized)", _PLAIN, "szm_zsnu_norm", "1"),
        ("ZP", "Zone percentage", _PLAIN, "szm_z_perc", "1"),
        ("LGZE", "Low gray-level zone emphasis", _PLAIN, "szm_lgze", "1"),
        ("HGZE", "High gray-level zone emphasis", _PLAIN, "szm_hgze", "1"),
        ("SZLGE", "Small zone low gray-level emphasis", _PLAIN, "szm_szlge", "1"),
        ("SZHGE", "Small zone high gray-level emphasis", _PLAIN, "szm_szhge", "1"),
        ("LZLGE", "Large zone low gray-level emphasis", _PLAIN, "szm_lzlge", "1"),
        ("LZHGE", "Large zone high gray-level emphasis", _PLAIN, "szm_lzhge", "1"),
        ("GLV", "Gray-level variance", _CELLS, "szm_gl_var", "1"),
        ("ZSV", "Zone size variance", _CELLS, "szm_zs_var", "1"),
    ),
    "NGTDM": (
        ("Coarseness", "Coarseness", _NEIGHBORS, "ngt_coarseness", "1"),
        ("Contrast", "Contrast", _NEIGHBORS, "ngt_contrast", "1"),
        ("Busyness", "Busyness", _NEIGHBORS, "ngt_busyness", "1"),
        ("Complexity", "Complexity", _NEIGHBORS, "ngt_complexity", "1"),
        ("Strength", "Strength", _NEIGHBORS, "ngt_strength", "1"),
    ),
}
FEATURES = tuple(
    Feature(f"{family}_{name}", family, label, definition, tag, unit)
    for family, listed in _LISTED.items()
    for name, label, definition, tag, unit in listed
)
FEATURE_NAMES = tuple(feature.name for feature in FEATURES)
# Table 2 of Akram et al. 2020.
PUBLISHED_SIGNIFICANT = (
    "GLSZM_GLV",
    "GLSZM_ZSV",
    "GLSZM_LZE",
    "Intensity_Variance",
    "NGTDM_Busyness",
    "NGTDM_Coarseness",
    "NGTDM_Strength",
)
