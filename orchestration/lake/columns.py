"""Find the columns that a mapping names in a delivered header."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orchestration.workspace.model import Source

_NAME = re.compile(r"[\w .()#/?-]{1,60}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9_ .()#/-]{1,60}")
# Stands between cells that are hashed as one text.
MARK = "\x1f"


def count(number: int, noun: str) -> str:
    """``1 column``, ``2 columns``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def shown_names(names: Iterable[str]) -> str:
    """Names of columns for a message: only those that look like names, as a header may be data."""
    names = list(names)
    safe = [f"'{name}'" for name in names if _IDENTIFIER.fullmatch(name)][:10]
    others = len(names) - len(safe)
    if others:
        safe.append(f"{others} {'others' if safe else 'not shown'}")
    return ", ".join(safe)


def recorded_names(names: Iterable[str]) -> tuple[str, ...]:
    """A file's columns for the manifest: of one that may be data a digest, which tells it apart."""

    def digest(name: str) -> str:
        return f"sha256:{hashlib.sha256(name.encode()).hexdigest()[:12]}"

    return tuple(name if _NAME.fullmatch(name) else digest(name) for name in names)


@dataclass(frozen=True)
class Found:
    """Where the wanted columns are: ``at`` by declared name; what is missing or there twice."""

    at: Mapping[str, int]
    missing: list[str]
    duplicate: list[str]


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def find_columns(wanted: Iterable[str], names: tuple[str, ...]) -> Found:
    """Find the wanted columns by name: exactly, else by case-folded name with spaces collapsed.

    Blank names are no names. Two equal names are a duplicate, wanted or not; names that only differ
    in case or spaces are one if one of them is wanted and not each of them is it exactly.
    """
    counts = Counter(names)
    duplicate = sorted(name for name in counts if name.strip() and counts[name] > 1)
    exact = {name: place for place, name in enumerate(names) if name.strip()}
    folded: dict[str, list[int]] = {}
    for name, place in exact.items():
        folded.setdefault(_folded(name), []).append(place)
    at, missing = {}, []
    names_wanted = dict.fromkeys(wanted)
    for name in names_wanted:
        places = folded.get(_folded(name), [])
        if not places:
            missing.append(name)
            continue
        at[name] = exact.get(name, places[0])
        alike = [names[place] for place in places]
        if len(places) > 1 and not all(each in names_wanted for each in alike):
            duplicate += [each for each in alike if each not in duplicate]
    return Found(at, missing, duplicate)


def wanted_columns(source: Source) -> tuple[str, ...]:
    """Every delivered column that the source needs, once: mapped ones, and those of its rules."""
    named = [*mapped_columns(source), *valued_columns(source), *source.only, *source.except_]
    named += [source.churned.column] if source.churned else []
    return tuple(dict.fromkeys(named))


def valued_columns(source: Source) -> tuple[str, ...]:
    """The delivered columns whose texts are read as others; the texts are kept as well."""
    found = [
        name
        for part in source.whole.parts
        for key, names in _mapping(part)
        if key in part.read_otherwise
        for name in names
    ]
    return tuple(dict.fromkeys(found))


def mapped_columns(source: Source) -> tuple[str, ...]:
    """Every delivered column whose cells the mapping takes over, once; others are kept beside.

    Of one of several answers in a row these are the columns of all of them.
    """
    names = [
        name
        for part in source.whole.parts
        for key, names in _mapping(part)
        if key not in part.read_otherwise
        for name in names
    ]
    if snapshot_kind(source) == "column":
        names.append(source.snapshot_at)
    return tuple(dict.fromkeys(names))


def _mapping(source: Source) -> list[tuple[str, tuple[str, ...]]]:
    """Canonical columns and attributes, each with its delivered columns."""
    return [*source.columns.items(), *source.attributes.items()]


def snapshot_kind(source: Source) -> str:
    """Where a snapshot's time comes from: ``file_modified``, ``file_name`` or ``column``."""
    if source.snapshot_at == "file_modified":
        return "file_modified"
    return "file_name" if "%" in source.snapshot_at else "column"
