"""What all reports share: the template environment, typography of plain text, and numbers as a reader wants them."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

TEMPLATE_FOLDER = Path(__file__).parent
GREEK = {"alpha": "α", "lambda": "λ", "tau": "τ"}
# How plain text from any layer becomes typography. Applied after escaping.
TYPOGRAPHY = (
    (re.compile(r"\bdR2\*"), "ΔR<sub>2</sub>*"),
    (re.compile(r"\bdTBF\b"), "ΔTBF"),
    (re.compile(r"\bR2\*"), "R<sub>2</sub>*"),
    (re.compile(r"\bT2\*"), "T<sub>2</sub>*"),
    (re.compile(r"\bS0\b"), "S<sub>0</sub>"),
    (re.compile(r"\bM0\b"), "M<sub>0</sub>"),
    (re.compile(r"\bT1\b"), "T<sub>1</sub>"),
    (re.compile(r"\bT1(blood|tissue)\b"), r"T<sub>1,\1</sub>"),
    (re.compile(r"\b(alpha|lambda|tau)\b"), lambda found: GREEK[found[1]]),
    (re.compile(r"mL/100g/min"), "mL/100 g/min"),
    (re.compile(r"\bR\^2"), "R²"),
    (re.compile(r"sqrt\(A\^2 \+ sigma\^2\)"), "√(A² + σ²)"),
    (re.compile(r"(?<=[\d)>]) x (?=[\d(M]|exp\()"), " × "),
    (re.compile(r"(?<![\w.])-(?=\d)"), "−"),
    (re.compile(r"(?<=exp\()-"), "−"),
    (re.compile(r"(?<=[\w)]) - (?=[\w(])"), " − "),
    (re.compile(r"(?<=\d)-(?=\d{2,}(?:\.| |$))"), "–"),
)


def render(template_name: str, *, folder: Path = TEMPLATE_FOLDER, **context) -> str:
    """A template of a folder, which may extend those here, as HTML text with the style sheet in it."""
    css = Markup((TEMPLATE_FOLDER / "report.css").read_text(encoding="utf-8"))
    return _environment(folder).get_template(template_name).render(css=css, **context)


def _environment(folder: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader([folder, TEMPLATE_FOLDER]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["typeset"] = typeset
    environment.filters["number"] = format_number
    return environment


def typeset(plain: str) -> Markup:
    """Escape, then set subscripts, signs and roots."""
    result = str(escape(plain))
    for pattern, replacement in TYPOGRAPHY:
        result = pattern.sub(replacement, result)
    return Markup(result)


def format_number(value) -> str:
    """Counts whole, measured values to the digits that mean something, missing ones as a dash."""
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return "–"
    if isinstance(value, (int, np.integer)):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if not isinstance(value, (float, np.floating)):
        return str(value)
    magnitude = abs(value)
    digits = 3 if magnitude < 10 else 2 if magnitude < 100 else 1
    return f"{value:,.{digits}f}" if magnitude < 1e5 else f"{value:.4g}"


def measurement_rows(measurements: Sequence) -> list[dict]:
    """Value and unit as shown; counts as whole numbers."""
    rows = []
    for row in measurements:
        value = row.value
        if isinstance(value, float) and value.is_integer() and row.unit in ("voxels", "1", ""):
            value = int(value)
        rows.append({"what": row.what, "value": value, "unit": row.unit})
    return rows
