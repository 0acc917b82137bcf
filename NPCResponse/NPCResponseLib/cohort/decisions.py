"""Which test, which cutoff, which final value was taken, and why: for people and for files."""

from .analysis import CohortAnalysis


def decisions(analysis: CohortAnalysis) -> list[dict]:
    """What was decided for each result, and why."""
    found = [{"what": f"{each.parameter}: final value", "decision": [each.source]} for each in analysis.missing]
    found += [
        {"what": f"{each.parameter} by {each.grouping}", "decision": list(each.decision)}
        for each in analysis.differences
    ]
    found += [
        {"what": f"{each.first_name} - {each.second_name}, paired", "decision": list(each.decision)}
        for each in analysis.pairs
    ]
    for marker in analysis.markers:
        sentences = [marker.roc.method, marker.roc.cutoff.rule(marker.parameter, marker.unit)]
        sentences += [part.method for part in (marker.bootstrap, marker.optimism) if part]
        found.append(
            {"what": f"ROC of {marker.parameter} by {marker.grouping}", "decision": [*sentences, *marker.notes]}
        )
    found += [
        {
            "what": f"{each.parameter} with {each.other}",
            "decision": [f"{each.reported.capitalize()} is the reported one"],
        }
        for each in analysis.correlations
    ]
    found += [
        {"what": f"{each.row_grouping} by {each.column_grouping}", "decision": [each.method]}
        for each in analysis.counts
    ]
    found += [
        {
            "what": f"{each.parameter}, agreement of {each.kind}",
            "decision": [f"{each.form.form}: {each.form.meaning}, limits {each.form.limits}", each.bland_altman.method],
        }
        for each in analysis.agreement
    ]
    return found
