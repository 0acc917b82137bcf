"""Benchmarks: ratios against a named peer in one run. Not part of the test suite."""
