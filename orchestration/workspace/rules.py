"""Checks of single values of ``workspace.yml``.

Each returns the value or raises ValueError with what is wrong and how to fix it.
"""

from __future__ import annotations

import codecs
import difflib
import re
import zoneinfo
from collections.abc import Iterable
from contextlib import suppress
from datetime import date, datetime

from orchestration.workspace.segments import name_mistake

SAFE_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
NAME_RULE = "use a-z, 0-9 and _, beginning with a letter, at most 60 characters"
# Codecs of Python's that are no encodings of files, or that no strict reading can check.
_NO_FILE_ENCODINGS = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "utf-7", "mbcs"}
_STRPTIME_DIRECTIVES = set("aAwdbBhmyYHIpMSfgnzZjUWcxXGuVT%")
_STRPTIME_UNPADDED = set("dmyHIMSj")
# Ways to read a text that are no mapping of single texts.
VALUE_RULES = ("leading_number",)
# The forms of ids; the group is the width.
ID_FORM = re.compile(r"integer|lower|zero_padded_([1-9]|[12][0-9]|3[0-2])")
_TIME_FORMATS = ("iso", "epoch_s", "epoch_ms", "excel")
# What other tools write for the parts of a time. A lower-case mm is the month before the hours, and
# minutes after them.
_OTHER_PARTS = re.compile(r"y{2,4}|M{1,4}|m{1,2}|d{1,2}|H{1,2}|h{1,2}|s{1,2}|tt?|a|Y{2,4}|D{1,2}")
_PART_OF = {
    "yyyy": "%Y", "yyy": "%Y", "yy": "%y", "MMMM": "%B", "MMM": "%b", "MM": "%m", "M": "%m",
    "mm": "%m", "m": "%m", "dd": "%d", "d": "%d", "HH": "%H", "H": "%H", "hh": "%I", "h": "%I",
    "ss": "%S", "s": "%S", "tt": "%p", "t": "%p", "a": "%p",
}  # fmt: skip
# Days from which every date that is computed stays within a calendar of four digits.
_FIRST_DAY, _LAST_DAY = date(1900, 1, 1), date(2199, 12, 31)
_LONGEST_WINDOW = 36_500


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """A hint at the known name that is nearest to a word; empty if none is near."""
    near = difflib.get_close_matches(str(word).lower(), list(known), n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else ""


def shown(value: object) -> str:
    """A value as messages show it: at most 60 characters."""
    try:
        text = repr(value)
    except ValueError:  # a whole number of thousands of digits
        text = "a number of thousands of digits"
    return text if len(text) <= 60 else text[:57] + "..."


def safe_name(value: str) -> str:
    """A name that may be part of file and column names: a-z, 0-9 and _."""
    if not SAFE_NAME.fullmatch(value):
        raise ValueError(f"{shown(value)} is not a safe name; {NAME_RULE}")
    return value


def glob(value: str) -> str:
    """A glob below ``landing/<name>/`` that names files and leaves no folder."""
    parts = value.split("/")
    if not value.strip():
        raise ValueError("is empty; write a glob below landing/<name>/, such as '*.csv'")
    if value.startswith(("/", "~")) or re.match(r"[A-Za-z]:", value) or "\\" in value:
        raise ValueError(f"{shown(value)} must be relative to landing/<name>/, with / between")
    if ".." in parts or "\0" in value:
        raise ValueError(f"{shown(value)} leaves landing/<name>/; remove '..'")
    if any(part in ("", ".") for part in parts) or any("**" in p and p != "**" for p in parts):
        raise ValueError(f"{shown(value)} is not a glob; '**' stands alone between slashes")
    if parts[-1] == "**":
        raise ValueError(f"{shown(value)} names folders only; end it with a file, '**/*.csv'")
    return value


def zone(value: str) -> str:
    """The name of a time zone of the IANA database."""
    # Not every file below a zoneinfo folder is a zone, and 'localtime' differs between machines.
    known = zoneinfo.available_timezones() - {"localtime", "Factory", "posixrules"}
    if value not in known:
        by_lower = {name.lower(): name for name in known}
        near = difflib.get_close_matches(value.lower(), by_lower, n=1, cutoff=0.6)
        hint = f"did you mean '{by_lower[near[0]]}'?" if near else "such as 'Europe/Brussels'"
        raise ValueError(f"{shown(value)} is not a time zone of the IANA database; {hint}")
    return value


def encoding(value: str) -> str:
    """The name of an encoding of text files that Python can check strictly."""
    try:
        info = codecs.lookup(value)
    except (LookupError, ValueError):
        raise ValueError(
            f"{shown(value)} is not a known encoding; write utf-8, utf-16, latin-1, cp1252, …"
        ) from None
    if not getattr(info, "_is_text_encoding", True) or info.name in _NO_FILE_ENCODINGS:
        raise ValueError(f"{shown(value)} is not an encoding of text files; write utf-8, …")
    return value


def one_character(value: object, what: str) -> object:
    """One ASCII character that is no letter or digit, as delimiters and quotes are."""
    if value != "\t" and not (isinstance(value, str) and re.fullmatch(r"[ -~]", value)):
        raise ValueError(
            f'{shown(value)} is not a {what}: one ASCII character, a tab being written "\\t"'
        )
    if str(value).isalnum():
        raise ValueError(f"{shown(value)} is not a {what}: a letter or digit would cut words")
    return value


def time_format_mistake(pattern: str) -> str | None:
    """What is wrong with a timestamp format, or None.

    Args:
        pattern: ``iso``, ``epoch_s``, ``epoch_ms``, ``excel`` (its number of days), or a strptime
            pattern of DuckDB's.
    """
    if pattern in _TIME_FORMATS:
        return None
    if "%" not in pattern:
        meant = strptime_pattern(pattern)
        known = "iso, epoch_s, epoch_ms or excel"
        return f"is neither a strptime pattern such as '%Y-%m-%d' nor {known}" + (
            f"; did you mean '{meant}'?" if meant else did_you_mean(pattern, _TIME_FORMATS)
        )
    found = re.findall(r"%(-?)(.?)", pattern, re.DOTALL)
    letters = {letter for _, letter in found}
    unknown = [
        f"has the unknown directive '%{dash}{letter}'"
        for dash, letter in found
        if not letter or letter not in (_STRPTIME_UNPADDED if dash else _STRPTIME_DIRECTIVES)
    ]
    lacking = [
        (not letters & set("yYGcx"), "names no year (%Y)"),
        (not (letters & set("mbBhjUWcx") or {"G", "V"} <= letters), "names no month (%m)"),
        ("I" in letters and "p" not in letters, "has %I (12 hours) without %p (AM or PM)"),
        (
            re.search(r"%-[dmyHIMSj]%-?[dmyYHIMSjfgn]", pattern) is not None,
            "has two numbers side by side of which one may have any width; write them padded (%d)",
        ),
    ]
    return next(iter(unknown + [sentence for is_so, sentence in lacking if is_so]), None)


def strptime_pattern(pattern: str) -> str | None:
    """The strptime pattern of one in the letters of spreadsheets and Java, such as ``dd/mm/yyyy``.

    None if it is no such pattern, or would be no valid one.
    """
    seen_hours = False

    def part(match: re.Match[str]) -> str:
        nonlocal seen_hours
        letters = match.group()
        letters = letters.lower() if letters[0] in "YD" else letters
        seen_hours = seen_hours or letters[0] in "Hh"
        return "%M" if letters in ("mm", "m") and seen_hours else _PART_OF.get(letters, letters)

    letters = set(re.findall("[A-Za-z]", pattern))
    if "%" in pattern or not letters or not letters <= set("yMdHhmsTtaYDS"):
        return None
    pattern = pattern if re.search("[a-z]", pattern) else _of_capitals(pattern)
    found = _OTHER_PARTS.sub(part, pattern)
    if re.search(r"[A-Za-z]", re.sub(r"%[A-Za-z]|T", "", found)) or "%" not in found:
        return None
    return None if time_format_mistake(found) else found


def _of_capitals(pattern: str) -> str:
    """A pattern in capitals alone, as ``DD/MM/YYYY HH:MM:SS``, with small years, days, seconds."""
    head, hours, tail = pattern.partition("HH")
    return (
        head.replace("Y", "y").replace("D", "d") + hours + tail.replace("M", "m").replace("S", "s")
    )


def time_format(pattern: str) -> str:
    """A format of timestamps, as ``time_format_mistake`` describes it."""
    if mistake := time_format_mistake(pattern):
        raise ValueError(f"{shown(pattern)} {mistake}")
    return pattern


def texts(value: object) -> tuple[str, ...]:
    """One text or a list of texts, as a tuple."""
    values = value if isinstance(value, list | tuple) else (value,)
    if not values:
        raise ValueError("is an empty list; name at least one")
    for each in values:
        if not isinstance(each, str):
            raise ValueError(f"{shown(each)} is not text; write it in quotes")
        if not each.strip():
            raise ValueError("is empty; write a name or remove the key")
    return tuple(values)


def value_map(value: object) -> dict[str, str | None] | str:
    """What delivered texts mean: a mapping of each to another text or None, or a rule's name.

    The mapping's keys are lower case and without blanks around them, as texts are compared.
    """
    if isinstance(value, str):
        if value not in VALUE_RULES:
            raise ValueError(f"{shown(value)} is neither a mapping nor {' or '.join(VALUE_RULES)}")
        return value
    if not isinstance(value, dict) or not value:
        raise ValueError(f"{shown(value)} must be a mapping of delivered texts to values")
    found: dict[str, str | None] = {}
    for text, meaning in value.items():
        key = str(text).strip().lower()
        if not key:
            raise ValueError("holds a blank text; an empty cell has no value already")
        if not isinstance(meaning, str | int | None):
            raise ValueError(f"{shown(meaning)} is neither text, a whole number nor null")
        word = str(meaning).lower() if isinstance(meaning, bool) else meaning
        known = found.setdefault(key, None if word is None else str(word))
        if known != (None if word is None else str(word)):
            raise ValueError(f"{shown(text)} has two meanings, as case and blanks don't matter")
    return found


def id_form(value: str) -> str:
    """How ids are written in one form: ``integer``, ``lower`` or ``zero_padded_<width>``."""
    if not ID_FORM.fullmatch(value):
        raise ValueError(
            f"{shown(value)} is none of integer, lower, zero_padded_8 (any width up to 32)"
        )
    return value


def day(value: object) -> object:
    """A day, as a date or in ISO 8601; None stays None."""
    if isinstance(value, str):
        with suppress(ValueError):
            value = date.fromisoformat(value)
    if isinstance(value, datetime) or not isinstance(value, date | None):
        raise ValueError(f"{shown(value)} is not a day; write it as 2025-12-31, or leave it out")
    return _within_bounds(value)


def known_day(value: object) -> object:
    """A day, which may not be left out."""
    if value is None:
        raise ValueError("is empty; write a day such as 2025-12-31")
    try:
        return day(value)
    except ValueError as error:
        raise ValueError(str(error).removesuffix(", or leave it out")) from None


def _within_bounds(value: date | None) -> date | None:
    if value is not None and not _FIRST_DAY <= value <= _LAST_DAY:
        raise ValueError(f"{value} must be a day from {_FIRST_DAY} to {_LAST_DAY}")
    return value


def constant(value: object) -> object:
    """A text that is not blank."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{shown(value)} is not text; write it in quotes")
    return value


def windows(value: tuple[int, ...]) -> tuple[int, ...]:
    """Numbers of days, each within a hundred years and named once, sorted."""
    if not value or any(not 1 <= days <= _LONGEST_WINDOW for days in value):
        raise ValueError(
            f"must be a list of whole numbers of days, each from 1 to {_LONGEST_WINDOW:,}"
        )
    if len(set(value)) < len(value):
        raise ValueError("names a window twice; remove one")
    return tuple(sorted(value))


def stages(value: tuple[str, ...]) -> tuple[str, ...]:
    """Touchpoints in the order in which customers come to them, each once."""
    if twice := sorted({stage for stage in value if value.count(stage) > 1}):
        raise ValueError(f"names {shown(twice[0])} twice; a stage has one place, remove one")
    return value


def segments(value: tuple[str, ...]) -> tuple[str, ...]:
    """Names of attributes that may become columns and dimensions of the marts."""
    lines = []
    for name in value:
        if not SAFE_NAME.fullmatch(name):
            lines.append(f"{shown(name)} is not a safe name; {NAME_RULE}")
        elif mistake := name_mistake(name, value):
            lines.append(mistake)
    lines += [
        f"'{name}' is named twice" for name in sorted({n for n in value if value.count(n) > 1})
    ]
    if lines:
        raise ValueError("\n".join(lines))
    return value


def environment_name(value: str) -> str:
    """The name of an environment variable."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        raise ValueError("must be the name of an environment variable, never the address itself")
    return value


def memory(value: str) -> str:
    """An amount of memory in DuckDB's notation, such as ``8GB``."""
    if not re.fullmatch(r"\d+(\.\d+)? ?([KMGT]i?B)", value):
        raise ValueError(f'{shown(value)} is not an amount of memory; write it as "8GB"')
    return value


def currency(value: str) -> str:
    """A currency code of three capitals."""
    if not re.fullmatch(r"[A-Z]{3}", value):
        raise ValueError(f"{shown(value)} is not a currency code; write three capitals, as USD")
    return value
