"""The values of ``exclude``: lists of test answers and the like."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from orchestration.workspace.entities import Entity
from orchestration.workspace.model import LIST_FILE, Source
from orchestration.workspace.rules import did_you_mean, shown

# A list becomes part of the SQL that reads each file.
_MOST_VALUES = 100_000


def excludable(entity: Entity, given: Collection[str]) -> tuple[str, ...]:
    """What ``exclude`` may name: the mapped columns of text, and the domain of a mapped e-mail."""
    names = [column.name for column in entity.columns if column.kind == "text"]
    found = [name for name in names if name in given]
    return (*found, *(("email_domain",) if "email" in found else ()))


def exclude_mistakes(
    exclude: Mapping[str, Any], entity: Entity, given: Collection[str]
) -> list[str]:
    """Mistakes of an entry's ``exclude``, apart from the files that it names.

    Args:
        exclude: the key as written.
        entity: the entry's entity.
        given: the canonical columns that the entry maps.
    """
    known = excludable(entity, given)
    return [
        f"exclude.{name} is no mapped column of text"
        + (did_you_mean(name, known) or f"; there are: {', '.join(known) or 'none'}")
        for name in exclude
        if name not in known
    ]


def list_mistakes(root: Path, source: Source) -> list[str]:
    """What is wrong with the files of values that an entry names."""
    lines = []
    for name in source.listed_files:
        path = Path(name)
        if path.is_absolute() or ".." in path.parts:
            lines.append(f"exclude: {shown(name)} must be a path within the workspace's folder")
            continue
        try:
            count = len(read_list(root / path))
        except OSError as error:
            reason = error.strerror or type(error).__name__
            lines.append(f"exclude: {shown(name)} cannot be read ({reason})")
            continue
        except UnicodeDecodeError:
            lines.append(f"exclude: {shown(name)} is not UTF-8; save it as UTF-8")
            continue
        if count > _MOST_VALUES:
            lines.append(f"exclude: {shown(name)} has more than {_MOST_VALUES:,} values")
    return lines


def read_list(path: Path) -> list[str]:
    """The values of a file: one a line, without blanks around them; blank lines are skipped.

    Raises:
        OSError: the file cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    lines = path.read_bytes().decode("utf-8-sig").splitlines()
    return [line.strip() for line in lines if line.strip()]


def excluded_values(root: Path, source: Source) -> dict[str, list[str]]:
    """The values of each column that ``exclude`` names, with those of the files, sorted.

    Raises:
        OSError: a file cannot be read.
        UnicodeDecodeError: a file is not UTF-8.
    """
    found = {}
    for name, values in source.exclude.items():
        each = {
            text
            for value in values
            for text in (
                read_list(root / value.removeprefix(LIST_FILE))
                if value.startswith(LIST_FILE)
                else [value.strip()]
            )
        }
        found[name] = sorted(each)
    return found
