"""Exploratory: where a tumor looks like the parts that recurred."""
