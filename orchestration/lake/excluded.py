"""The SQL that says which delivered rows a source excludes.

They stay in the lake, with a flag: staging excludes them, and reconciliation counts them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable

from orchestration.core.sql import literal
from orchestration.lake.values import as_compared
from orchestration.workspace.excluded import excluded_values
from orchestration.workspace.model import Source, Workspace

# The flag of an excluded row.
EXCLUDED = "_row:excluded"


def unwanted_condition(source: Source, cell: Callable[[str], str]) -> str:
    """SQL of whether ``only`` or ``except`` excludes a delivered row; never NULL.

    Values are compared without regard to case and to blanks around them. A row without a value is
    in no list: ``only`` excludes it, ``except`` does not.
    """
    parts = [
        f"coalesce({_folded(cell(name))} not in ({_literals(values)}), true)"
        for name, values in source.only.items()
    ]
    parts += [
        f"coalesce({_folded(cell(name))} in ({_literals(values)}), false)"
        for name, values in source.except_.items()
    ]
    return f"({' or '.join(parts)})"


def _folded(text: str) -> str:
    return f"lower(trim({text}))"


def _literals(values: Iterable[str]) -> str:
    return ", ".join(sorted({literal(value.strip().lower()) for value in values}))


def _comparable(email: str) -> str:
    """An e-mail, or its domain, as the lake compares it."""
    return unicodedata.normalize("NFKC", email).strip().lower()


def excluded_condition(workspace: Workspace, source: Source) -> str:
    """SQL of whether ``exclude`` names a row, over its canonical texts; never NULL.

    E-mails and their domains are compared in their comparable form, the column ``_email``; ids in
    the form that they have in the lake; other texts as they are, without blanks around them.
    """
    compared = {"email": "_email", "email_domain": "split_part(_email, '@', 2)"}
    parts = []
    for name, values in excluded_values(workspace.root, source).items():
        if values:
            text = compared.get(name, f"trim({name})")
            if name in compared:
                folded = {_comparable(value) for value in values}
            else:
                folded = {as_compared(source, name, value) for value in values}
            listed = ", ".join(literal(value) for value in sorted(folded))
            parts.append(f"coalesce({text} in ({listed}), false)")
    return f"({' or '.join(parts)})" if parts else "false"
