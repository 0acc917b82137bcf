"""Runs all benchmarks and prints their tables: ``make bench``."""

from . import r2star_accuracy, r2star_gradient, r2star_speed

for benchmark in (r2star_speed, r2star_accuracy, r2star_gradient):
    print(benchmark.report(), end="\n\n", flush=True)
