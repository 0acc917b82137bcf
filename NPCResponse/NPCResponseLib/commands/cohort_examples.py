"""Two worked examples: the BOLD and the ASL paper's analyses on patients drawn from their printed moments."""

import csv
from pathlib import Path

from ..cohort.virtual import example_columns

NAMES = ("example_table.csv", "example_spec.yaml")

BOLD_SPEC = """\
# The analysis of Xu et al. 2023 (R2* and response to chemoradiotherapy, 26 responders and 15 non-responders).
# The table holds simulated patients, drawn from the paper's group means and standard deviations.
version: 1
title: R2* and response, simulated patients
patient: patient
groups:
  - name: response
    column: response
    positive: RG
    negative: NRG
    positive_name: responding group
    negative_name: non-responding group
parameters:
  - {name: R2*pre, unit: Hz, observers: [r2star_pre_1, r2star_pre_2], direction: below}
  - {name: R2*post, unit: Hz, observers: [r2star_post_1, r2star_post_2], direction: above}
  - {name: dR2*, unit: Hz, difference: [R2*post, R2*pre], direction: above}
paired:
  - [R2*post, R2*pre]
choices:
  t_test: student            # the paper's p values are Student's
  p_value: auto              # R's rule: exact below 50 per group without ties
  bootstrap_confidence: 0.95
  final_value: observer-1    # the paper: observer 1, if the agreement is good
  auc_interval: logit
"""

ASL_SPEC = """\
# The analysis of Liu et al. 2022 (tumor blood flow; 36 partial response and 19 stable disease at 40 Gy; 17 residual and
# 38 non-residual one month after treatment). The table holds simulated patients, drawn from the paper's table 4.
version: 1
title: Tumor blood flow and early response, simulated patients
patient: patient
groups:
  - name: response at 40 Gy
    column: response
    positive: PR
    negative: SD
    positive_name: partial response
    negative_name: stable disease
  - name: residual tumor
    column: residual
    positive: "no"           # in quotes: YAML takes a bare no for "false"
    negative: "yes"
    positive_name: non-residual
    negative_name: residual
parameters:
  - {name: Pre-TBF, unit: mL/100g/min, observers: [tbf_pre_1, tbf_pre_2], direction: above}
  - {name: Post-TBF, unit: mL/100g/min, observers: [tbf_post_1, tbf_post_2], direction: above}
  - {name: dTBF, unit: mL/100g/min, difference: [Pre-TBF, Post-TBF], direction: above}
  - {name: Pre-MPTD, unit: mm, observers: [mptd_pre_1, mptd_pre_2], roc: false}
  - {name: Post-MPTD, unit: mm, observers: [mptd_post_1, mptd_post_2], roc: false}
  - {name: Atrophy rate, unit: "%", atrophy: [Pre-MPTD, Post-MPTD], roc: false}   # the groups are made from it
paired:
  - [Pre-TBF, Post-TBF]
correlations: {with: Atrophy rate, parameters: [Pre-TBF, Post-TBF, dTBF]}
counts:
  - [response at 40 Gy, residual tumor]
choices:
  t_test: welch              # the paper's p values are Welch's
  p_value: auto
  bootstrap_confidence: 0.95
  final_value: mean          # the paper: mean of the two observers
  chi_squared: pearson       # the paper: without continuity correction
  correlation: pearson
"""

SPECS = {"bold": BOLD_SPEC, "asl": ASL_SPEC}


def write_example(paper: str, folder: Path) -> tuple[Path, Path]:
    """Write the table and the specification of "bold" or "asl"; returns their paths."""
    table, spec = (folder / name for name in NAMES)
    columns = example_columns(paper)
    with table.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    spec.write_text(SPECS[paper], encoding="utf-8")
    return table, spec
