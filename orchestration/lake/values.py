"""What delivered texts mean: texts that mean an empty cell, and texts that mean another."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from orchestration.core.sql import literal
from orchestration.workspace.model import Source

# A whole number and a label without any digit: `10 - Extremely likely`, `5 stars`, `0: never`.
# Not `10-Sep`, `8 of 10` or `9.5 points`.
_LEADING_NUMBER = r"\s*[0-9]+\s*([\s:=(][^0-9]*)?"


def without_null_values(source: Source, cell: str) -> str:
    """SQL of a cell that is NULL where its text is one of ``null_values``."""
    if not source.null_values:
        return cell
    texts = ", ".join(literal(text) for text in source.null_values)
    return f"case when {cell} in ({texts}) then null else {cell} end"


def null_columns(table: pa.Table, columns: set[str], source: Source) -> pa.Table:
    """The table whose columns of text are NULL where a text is one of ``null_values``."""
    if not source.null_values:
        return table
    texts = pa.array(source.null_values, pa.string())
    for place, name in enumerate(table.column_names):
        column = table.column(place)
        if name not in columns or not pa.types.is_string(column.type):
            continue
        is_null = pc.is_in(column, value_set=texts)
        if pc.any(is_null).as_py():
            column = pc.if_else(is_null, pa.scalar(None, pa.string()), column)
            table = table.set_column(place, name, column)
    return table


def meant(source: Source, name: str, text: str) -> str:
    """SQL of what a text of a column or attribute means by ``values``; the text where unsaid."""
    values = source.values.get(name)
    if values is None:
        return text
    if isinstance(values, str):  # leading_number
        is_labelled = f"regexp_full_match({text}, {literal(_LEADING_NUMBER)})"
        return f"case when {is_labelled} then regexp_extract({text}, '[0-9]+') else {text} end"
    cases = " ".join(
        f"when {literal(key)} then {'null' if value is None else literal(value)}"
        for key, value in values.items()
    )
    return f"case lower(trim({text})) {cases} else {text} end"
