"""Publications that reports cite, and text that cites them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

REFERENCES = {
    "xu2023": "Xu et al. Can the apparent transverse relaxation rate (R2*) evaluate the efficacy of concurrent "
    "chemoradiotherapy in locally advanced nasopharyngeal carcinoma? A preliminary experience. BMC Med Imaging "
    "2023;23:69. doi:10.1186/s12880-023-01029-y",
    "liu2022": "Liu J et al. Arterial spin labeling of nasopharyngeal carcinoma shows early therapy response. Insights "
    "Imaging 2022;13:114. doi:10.1186/s13244-022-01248-x",
    "golub1973": "Golub GH, Pereyra V. The differentiation of pseudo-inverses and nonlinear least squares problems "
    "whose variables separate. SIAM J Numer Anal 1973;10:413-432",
    "gudbjartsson1995": "Gudbjartsson H, Patz S. The Rician distribution of noisy MRI data. Magn Reson Med "
    "1995;34:910-914",
    "pei2015": "Pei M et al. Algorithm for fast monoexponential fitting based on auto-regression on linear operations "
    "(ARLO) of data. Magn Reson Med 2015;73:843-850. doi:10.1002/mrm.25137",
    "edwards2022": "Edwards LJ et al. Robust and efficient R2* estimation in human brain using log-linear weighted "
    "least squares. Proc ISMRM 2022;30:1264",
    "koay2009": "Koay CG, Özarslan E, Pierpaoli C. Probabilistic identification and estimation of noise (PIESNO). J "
    "Magn Reson 2009;199:94-103",
    "fernandez2000": "Fernández-Seara MA, Wehrli FW. Postprocessing technique to correct for background gradients in "
    "image-based R2* measurements. Magn Reson Med 2000;44:358-366",
    "yu2008": "Yu H et al. Multiecho water-fat separation and simultaneous R2* estimation with multifrequency fat "
    "spectrum modeling. Magn Reson Med 2008;60:1122-1134",
    "alsop2015": "Alsop DC et al. Recommended implementation of arterial spin-labeled perfusion MRI for clinical "
    "applications. Magn Reson Med 2015;73:102-116. doi:10.1002/mrm.25197",
    "buxton1998": "Buxton RB et al. A general kinetic model for quantitative perfusion imaging with arterial spin "
    "labeling. Magn Reson Med 1998;40:383-396. doi:10.1002/mrm.1910400308",
    "lu2004": "Lu H et al. Determining the longitudinal relaxation time (T1) of blood at 3.0 Tesla. Magn Reson Med "
    "2004;52:679-682. doi:10.1002/mrm.20178",
    "eisenhauer2009": "Eisenhauer EA et al. New response evaluation criteria in solid tumours: revised RECIST "
    "guideline (version 1.1). Eur J Cancer 2009;45:228-247. doi:10.1016/j.ejca.2008.10.026",
    "lencioni2010": "Lencioni R, Llovet JM. Modified RECIST (mRECIST) assessment for hepatocellular carcinoma. Semin "
    "Liver Dis 2010;30:52-60. doi:10.1055/s-0030-1247132",
    "fowler1989": "Fowler JF. The linear-quadratic formula and progress in fractionated radiotherapy. Br J Radiol "
    "1989;62:679-694",
    "akram2020": "Akram F et al. Exploring MRI based radiomics analysis of intratumoral spatial heterogeneity in "
    "locally advanced nasopharyngeal carcinoma treated with intensity modulated radiotherapy. PLoS One "
    "2020;15:e0240043. doi:10.1371/journal.pone.0240043",
    "vallieres2015": "Vallières M et al. A radiomics model from joint FDG-PET and MRI texture features for the "
    "prediction of lung metastases in soft-tissue sarcomas of the extremities. Phys Med Biol 2015;60:5471-5496. "
    "doi:10.1088/0031-9155/60/14/5471",
    "zwanenburg2020": "Zwanenburg A et al. The Image Biomarker Standardization Initiative: standardized quantitative "
    "radiomics for high-throughput image-based phenotyping. Radiology 2020;295:328-338. doi:10.1148/radiol.2020191145",
    "mattes2003": "Mattes D et al. PET-CT image registration in the chest using free-form deformations. IEEE Trans Med "
    "Imaging 2003;22:120-128. doi:10.1109/TMI.2003.809072",
    "dawson2000": "Dawson LA et al. Patterns of local-regional recurrence following parotid-sparing conformal and "
    "segmental intensity-modulated radiotherapy for head and neck cancer. Int J Radiat Oncol Biol Phys "
    "2000;46:1117-1126. doi:10.1016/S0360-3016(99)00550-7",
    "bland1999": "Bland JM, Altman DG. Measuring agreement in method comparison studies. Stat Methods Med Res "
    "1999;8:135-160. doi:10.1177/096228029900800204",
}


@dataclass(frozen=True)
class Citing:
    """Text that cites: sentences with [keys], and the keys in the order of their first use."""

    paragraphs: tuple[str, ...]
    keys: tuple[str, ...]

    @classmethod
    def of(cls, paragraphs: Sequence[str]) -> "Citing":
        """Turn ``{xu2023}`` into [1], [2], ... in order of appearance."""
        keys: list[str] = []

        def number(match: re.Match) -> str:
            key = match.group(1)
            if key not in REFERENCES:  # braces in the name of a segment
                return match.group(0)
            if key not in keys:
                keys.append(key)
            return f"[{keys.index(key) + 1}]"

        numbered = [re.sub(r"\{(\w+)\}", number, paragraph) for paragraph in paragraphs]
        return cls(tuple(numbered), tuple(keys))

    def references(self) -> tuple[str, ...]:
        return tuple(REFERENCES[key] for key in self.keys)
