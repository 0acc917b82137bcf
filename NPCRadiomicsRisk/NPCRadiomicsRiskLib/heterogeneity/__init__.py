"""Recurrent against non-recurrent parts of many tumors: paired features, tests, relations, tables."""
