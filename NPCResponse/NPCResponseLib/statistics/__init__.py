"""Statistics of the functional and radiomics papers: arrays in, frozen results out. One room per topic.

Every result names its method in words, how many values it used and how many were missing, and its warnings. Choices
that change published conclusions are parameters and stand in the result: Student or Welch, exact or asymptotic, which
maximal log-rank, 90 or 95 % bootstrap.

Comparison
    comparison       two groups, or two measurements of the same patients: which test, why, and its result
    normality        Shapiro-Wilk
    rank_tests       Mann-Whitney and Wilcoxon: exact, asymptotic, shift with interval
    effect_sizes     Cohen's d, Hedges' g, rank-biserial, with intervals
    group_summary    mean and SD, median and quartiles, as papers print them
    contingency      chi-squared, Fisher, McNemar
    correlation      Pearson, Spearman, Kendall; a matrix masked by significance
    multiplicity     Bonferroni, Holm, Benjamini-Hochberg, Benjamini-Yekutieli
Discrimination
    roc              curve, AUC, cutoffs, partial area, smooth curve
    delong           variance and tests of AUCs
    roc_bootstrap    bootstrap of AUC, cutoff and curve; optimism of a cutoff chosen on the same data
    proportions      k of n with its intervals; sensitivity, specificity, predictive values
Agreement
    agreement        intraclass correlation, repeatability
    bland_altman     bias and limits of agreement
    overlap          Dice and Hausdorff of two masks
Models
    logistic, separation, lasso, calibration, decision_curve, reclassification, nomogram, optimism
Survival
    survival, survival_cutoff, competing_risks, cox, time_dependent_auc
Other
    pca              principal components
    sample_size      events per variable, power for AUCs, shrinkage
    radiomics_quality
    published_numbers    the paper checker: which printed numbers fit each other (number_checks, printed_numbers)
What they share
    samples, model_data  columns with missing values set aside and counted

Nothing is imported here: statsmodels and scikit-learn, which Slicer does not ship, load where they are needed.
"""
