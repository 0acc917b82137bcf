"""The paper checker: what the printed numbers of a paper imply, and which do not fit.

The numbers are data: ``published_numbers.json`` lists the facts of the five papers, each with its place in the paper
and the checks that concern it (see ``number_checks`` for what each check takes). The same form checks any other paper.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from .number_checks import CheckResult, Status, run_check

FACTS_FILE = Path(__file__).with_name("published_numbers.json")


@dataclass(frozen=True)
class Finding:
    """One printed fact, judged.

    Attributes:
        paper: short name; citation, doi of it.
        item: what is printed, in words; printed as it stands; place where.
        status: inconsistent if any check does not fit, else consistent if any fits, else unverifiable.
        detail: what kind, in a few words ("minor", "as Welch").
        recomputed, note: what the numbers imply, and what follows.
        remark: ours, from the data file.
    """

    id: str
    paper: str
    citation: str
    doi: str
    item: str
    printed: str
    place: str
    status: Status
    detail: str
    recomputed: str
    note: str
    remark: str
    results: tuple[CheckResult, ...]

    @property
    def verdict(self) -> str:
        """ "inconsistent (minor)"."""
        return f"{self.status} ({self.detail})" if self.detail else self.status


def published_findings(papers: Sequence[str] = ()) -> tuple[Finding, ...]:
    """The five papers' facts, judged now.

    Args:
        papers: short names ("BOLD", "ASL", "T2WI", "PRNN", "Akram"); empty for all.

    Raises:
        InputError: an unknown paper.
    """
    document = json.loads(FACTS_FILE.read_text(encoding="utf-8"))
    known = [paper["short"] for paper in document["papers"].values()]
    for paper in papers:
        if paper not in known:
            raise InputError(f'no paper named "{paper}"', remedy=f"Choose among {', '.join(known)}")
    return tuple(finding for finding in check_facts(document) if not papers or finding.paper in papers)


def check_facts(document: Mapping) -> tuple[Finding, ...]:
    """Judge a document of the form of ``published_numbers.json``.

    Raises:
        InputError: a fact without its fields, of an unknown paper, or with checks that cannot run.
    """
    return tuple(_judge(fact, document["papers"]) for fact in document["facts"])


def findings_table(findings: Sequence[Finding]) -> str:
    """Markdown table for the documentation."""
    rows = [("paper", "item", "printed", "recomputed", "verdict", "note"), ("---",) * 6]
    rows += [
        (f.paper, f.item, f.printed, f.recomputed, f.verdict, "; ".join(text for text in (f.note, f.remark) if text))
        for f in findings
    ]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows)


def _judge(fact: Mapping, papers: Mapping[str, Mapping]) -> Finding:
    where = f"fact {fact.get('id', '?')}"
    missing = [field for field in ("id", "paper", "item", "printed", "place", "checks") if field not in fact]
    if missing:
        raise InputError(f"without {', '.join(missing)}", where=where)
    if fact["paper"] not in papers:
        raise InputError(f'no paper with the key "{fact["paper"]}"', where=where)
    try:
        results = tuple(run_check(check) for check in fact["checks"])
    except InputError as error:
        raise InputError(error.what, where=f"{where}, {error.where}".rstrip(", "), remedy=error.remedy) from None
    status = _combined(results)
    paper = papers[fact["paper"]]
    deciding = [result for result in results if result.status == status]
    return Finding(
        id=fact["id"],
        paper=paper["short"],
        citation=paper["citation"],
        doi=paper["doi"],
        item=fact["item"],
        printed=fact["printed"],
        place=fact["place"],
        status=status,
        detail=_joined(result.detail for result in deciding),
        recomputed=_joined(result.recomputed for result in results),
        note=_joined(result.note for result in results),
        remark=fact.get("remark", ""),
        results=results,
    )


def _combined(results: Sequence[CheckResult]) -> Status:
    statuses = {result.status for result in results}
    for status in ("inconsistent", "consistent"):
        if status in statuses:
            return status
    return "unverifiable"


def _joined(parts) -> str:
    return "; ".join(dict.fromkeys(part for part in parts if part))
