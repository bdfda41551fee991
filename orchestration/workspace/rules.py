"""Checks of single values of ``workspace.yml``.

Each returns the value or raises ValueError with what is wrong and how to fix it.
"""

from __future__ import annotations

import codecs
import difflib
import re
import zoneinfo
from collections.abc import Iterable
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
_TIME_FORMATS = ("iso", "epoch_s", "epoch_ms")


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """A hint at the known name that is nearest to a word; empty if none is near."""
    near = difflib.get_close_matches(str(word).lower(), list(known), n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else ""


def shown(value: object) -> str:
    """A value as messages show it: at most 60 characters."""
    text = repr(value)
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
        pattern: ``iso``, ``epoch_s``, ``epoch_ms``, or a strptime pattern of DuckDB's.
    """
    if pattern in _TIME_FORMATS:
        return None
    if "%" not in pattern:
        return "is neither a strptime pattern such as '%Y-%m-%d' nor iso, epoch_s or epoch_ms" + (
            did_you_mean(pattern, _TIME_FORMATS)
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
    ]
    return next(iter(unknown + [sentence for is_so, sentence in lacking if is_so]), None)


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


def day(value: object) -> object:
    """A day, as a date or in ISO 8601; None stays None."""
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    if isinstance(value, datetime) or not isinstance(value, date | None):
        raise ValueError(f"{shown(value)} is not a day; write it as 2025-12-31, or leave it out")
    return value


def constant(value: object) -> object:
    """A text that is not blank."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{shown(value)} is not text; write it in quotes")
    return value


def windows(value: tuple[int, ...]) -> tuple[int, ...]:
    """Numbers of days, each 1 or more and named once, sorted."""
    if not value or any(days < 1 for days in value):
        raise ValueError("must be a list of whole numbers of days, each 1 or more")
    if len(set(value)) < len(value):
        raise ValueError("names a window twice; remove one")
    return tuple(sorted(value))


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
