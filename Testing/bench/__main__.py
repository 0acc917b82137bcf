"""Runs all benchmarks and prints their tables: ``make bench``. Names of modules as arguments run only those."""

import importlib
import sys

BENCHMARKS = (
    "r2star_speed",
    "r2star_accuracy",
    "r2star_gradient",
    "perfusion_speed",
    "perfusion_accuracy",
    "diameters_speed",
    "statistics_speed",
    "statistics_coverage",
    "patient_coverage",
    "virtual_cohort",
    "texture_speed",
    "local_texture_speed",
    "subregion_cohort",
    "alignment_accuracy",
)

for name in sys.argv[1:] or BENCHMARKS:
    print(importlib.import_module(f"{__package__}.{name}").report(), end="\n\n", flush=True)
