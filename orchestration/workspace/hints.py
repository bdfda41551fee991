"""Hints at the key that a wrong one stands for."""

from __future__ import annotations

from pydantic import BaseModel

from orchestration.workspace.model import Format, Source
from orchestration.workspace.rules import did_you_mean

# What other tools call our keys.
_OTHER_NAMES = {
    "skip_rows": "header_rows",
    "skiprows": "header_rows",
    "skip": "header_rows",
    "header_row": "header",
    "sep": "delimiter",
    "separator": "delimiter",
    "quotechar": "quote",
    "charset": "encoding",
    "sheet_name": "sheet",
    "worksheet": "sheet",
    "date_format": "timestamps",
    "date_formats": "timestamps",
    "tz": "timezone",
    "time_zone": "timezone",
    "file": "files",
    "glob": "files",
    "mapping": "columns",
    "fields": "columns",
    "questions": "answers",
    "scores": "answers",
}


def key_hint(key: str, model: type[BaseModel]) -> str:
    """A hint at the key that a wrong one stands for: of the same place, or of a source's format."""
    known = [field.alias or name for name, field in model.model_fields.items()]
    name = _OTHER_NAMES.get(key, key)
    if name in known and name != key:
        return f"; did you mean '{name}'?"
    if model is Source and name in Format.model_fields:
        return f"; did you mean 'format.{name}'?"
    return did_you_mean(key, known)
