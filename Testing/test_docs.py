"""Pages that are made from code must say what the code says."""

from pathlib import Path

from NPCResponseLib.statistics.published_numbers import findings_table, published_findings

DOCS = Path(__file__).resolve().parents[1] / "docs"


def test_page_of_published_numbers_is_what_the_checker_finds():
    page = (DOCS / "published_numbers.md").read_text(encoding="utf-8")
    assert findings_table(published_findings()).rstrip() in page
