"""A whole cohort in one call: a table of patients and a specification in, the functional papers' tables out.

spec            what is compared with what, and the choices that change conclusions
table           cells as they were read, and the numbers and labels in them; nothing is corrected silently
values          final value of each parameter: one column, observer 1, the mean of both, or a difference
differences     groups and pairs: summaries and tests
discrimination  ROC, cutoffs, comparisons of AUCs, power
agreement       two observers or two readings
association     correlations, tables of counts
analysis        all of it, with multiplicity and warnings
tables          the result as plain tables, for CSV files, reports and Slicer's table nodes
virtual         patients drawn from the moments that the papers print
"""
