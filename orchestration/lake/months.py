"""Names of months in the languages of Western Europe, for patterns with ``%B`` or ``%b``.

DuckDB reads English names alone: a pattern that names a month would match no value of an export in
another language.
"""

from __future__ import annotations

import re

from orchestration.core.sql import literal

# German, French, Spanish, Italian, Dutch, Portuguese; long and short; each name is of one month.
_NAMES = {
    "January": "januar jänner janvier janv enero ene gennaio gen januari janeiro",
    "February": "februar feber février fevrier févr fevr febrero febbraio februari fevereiro fev",
    "March": "märz maerz mär mrz mars marzo maart mrt março marco",
    "April": "avril avr abril abr aprile",
    "May": "mai mayo maggio mag mei maio",
    "June": "juni juin junio giugno giu junho",
    "July": "juli juillet juil julio luglio lug julho",
    "August": "août aout agosto ago augustus",
    "September": "septembre septiembre setiembre settembre setembro sept set",
    "October": "oktober okt octobre octubre ottobre ott outubro out",
    "November": "novembre noviembre novembro",
    "December": "dezember dez décembre decembre déc diciembre dicembre dic dezembro",
}


def in_english(text: str, pattern: str) -> list[str]:
    """SQL of a text with its month in English, as the pattern has it, with and without its point.

    Args:
        text: SQL of the delivered text.
        pattern: a strptime pattern.

    Returns:
        Two expressions; none if the pattern names no month.
    """
    if not re.search(r"%[bBh]", pattern):
        return []
    return [_translated(text, pattern, point) for point in (r"\3", "")]


def _translated(text: str, pattern: str, point: str) -> str:
    for month, names in _NAMES.items():
        english = month if "%B" in pattern else month[:3]
        any_name = "|".join([month, month[:3], *names.split()])
        found = literal(rf"(?i)(^|[^\pL])({any_name})(\.?)([^\pL]|$)")
        replaced = literal(rf"\1{english}{point}\4")
        text = f"regexp_replace({text}, {found}, {replaced})"
    return text
