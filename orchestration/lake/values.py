"""What delivered texts mean: which mean an empty cell, which another, and the forms of ids."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

from orchestration.core.sql import literal
from orchestration.lake.texts import holds, is_plain
from orchestration.workspace.entities import ENTITIES
from orchestration.workspace.model import Source

# Blanks and what cannot be seen: Unicode's white space, zero-width spaces, byte order marks.
_UNSEEN = (
    "\t\n\x0b\x0c\r \x1c\x1d\x1e\x1f\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000"
    "\u200b\u200c\u200d\u2060\ufeff" + "".join(map(chr, range(0x2000, 0x200B)))
)

# A whole number and a label without any digit: `10 - Extremely likely`, `5 stars`, `0: never`.
# Not `10-Sep`, `8 of 10` or `9.5 points`.
_LEADING_NUMBER = r"\s*[0-9]+\s*([\s:=(][^0-9]*)?"


# What an e-mail address looks like, in its comparable form.
EMAIL = r"[^@\s]+@[^@\s]+\.[^@\s]+"
_SPACES = r"e' \t\r\n'"
_SIGNS = "[@＠]"
# An id that is a whole number, also as pandas writes one where another is missing: `1001.0`. Three
# zeros would be thousands.
_WHOLE = r"[0-9]+([.]0{1,2})?"


def without_null_values(source: Source, cell: str) -> str:
    """SQL of a cell that is NULL where its text is one of ``null_values``."""
    if not source.null_values:
        return cell
    texts = ", ".join(literal(text) for text in source.null_values)
    return f"case when {cell} in ({texts}) then null else {cell} end"


def trimmed(cell: str) -> str:
    """SQL of an id without blanks around it; NULL where nothing is left."""
    # a search in the long list of blanks costs ten times as much as a look at both ends
    ends = " and ".join(f"({cell})[{place}] between '!' and '~'" for place in (1, -1))
    return f"case when {ends} then {cell} else nullif(trim({cell}, {literal(_UNSEEN)}), '') end"


def comparable(email: str) -> str:
    """SQL of an e-mail as it is compared: NFKC, lower case, without blanks around it."""
    email = f"case when length({email}) = strlen({email}) then {email} else nfkc({email}) end"
    return f"lower(trim({email}, {_SPACES}))"


def address_folded(cell: str) -> str:
    """SQL of a customer's id, in the comparable form of e-mails where it is one."""
    email, is_signed = comparable(cell), f"regexp_matches({cell}, {literal(_SIGNS)})"
    is_email = f"regexp_full_match({email}, {literal(EMAIL)})"
    return f"case when not {is_signed} then {cell} when {is_email} then {email} else {cell} end"


def normalised(source: Source, name: str, cell: str) -> str:
    """SQL of one cell of an id in the form that ``normalise`` declares; other texts as they are."""
    form = source.normalise.get(name)
    if form is None:
        return cell
    if form == "lower":
        return f"lower({cell})"
    digits = f"coalesce(nullif(ltrim(split_part({cell}, '.', 1), '0'), ''), '0')"
    if form != "integer":
        width = int(form.removeprefix("zero_padded_"))
        digits = f"lpad({digits}, greatest({width}, cast(length({digits}) as integer)), '0')"
    return f"case when regexp_full_match({cell}, {literal(_WHOLE)}) then {digits} else {cell} end"


def as_compared(source: Source, name: str, text: str) -> str:
    """A text of a column as the SQL above brings it into the lake: of ids their form."""
    if name.endswith("customer_id") and re.search(_SIGNS, text):
        email = unicodedata.normalize("NFKC", text).strip().lower()
        text = email if re.fullmatch(EMAIL, email) else text
    form = source.normalise.get(name)
    if form == "lower":
        return text.lower()
    if form is None or not re.fullmatch(_WHOLE, text):
        return text
    digits = text.partition(".")[0].lstrip("0") or "0"
    return digits if form == "integer" else digits.zfill(int(form.removeprefix("zero_padded_")))


def customer_columns(source: Source) -> tuple[str, ...]:
    """The delivered columns that customers' ids are made of."""
    ids = [column.name for column in ENTITIES[source.entity].columns if column.is_customer_id]
    return tuple(name for key in ids for name in source.columns.get(key, ()))


def fold_addresses(table: pa.Table, columns: Collection[str]) -> pa.Table:
    """The table whose columns of text have e-mail addresses in their comparable form."""
    for place, name in enumerate(table.column_names):
        column = table.column(place)
        if name not in columns or not pa.types.is_string(column.type):
            continue
        if not holds(column.combine_chunks(), "@＠"):
            continue
        email = pc.utf8_lower(pc.utf8_trim(pc.utf8_normalize(column, "NFKC"), characters=_UNSEEN))
        is_email = pc.match_substring_regex(email, f"^{EMAIL}$")
        table = table.set_column(place, name, pc.if_else(is_email, email, column))
    return table


def id_columns(source: Source) -> tuple[str, ...]:
    """The delivered columns that ids are made of."""
    ids = [column.name for column in ENTITIES[source.entity].columns if column.is_id]
    return tuple(name for key in ids for name in source.columns.get(key, ()))


def trim_columns(table: pa.Table, columns: Collection[str]) -> pa.Table:
    """The table whose columns of text have no blanks around texts, and NULL for blank ones."""
    for place, name in enumerate(table.column_names):
        column = table.column(place)
        if name not in columns or not pa.types.is_string(column.type):
            continue
        # most ids are of ASCII without blanks: a look at the bytes spares the rest
        if is_plain(column.combine_chunks()):
            continue
        cut = pc.utf8_trim(column, characters=_UNSEEN)
        cut = pc.if_else(pc.equal(pc.binary_length(cut), 0), pa.scalar(None, pa.string()), cut)
        table = table.set_column(place, name, cut)
    return table


def null_columns(table: pa.Table, columns: Collection[str], source: Source) -> pa.Table:
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


def split(source: Source, name: str, text: str) -> str:
    """SQL of an attribute's values: of several each once, sorted, with bars between them.

    A bar within a value becomes a slash, so that one stands between values alone.
    """
    separator = source.split.get(name)
    if separator is None:
        return text
    parts = f"string_split({text}, {literal(separator)})"
    clean = f"list_transform({parts}, lambda part: trim(replace(part, '|', '/')))"
    kept = f"list_filter({clean}, lambda part: part <> '')"
    return f"nullif(array_to_string(list_sort(list_distinct({kept})), '|'), '')"
