"""The JSON Schema of ``workspace.yml``, for editors: completion, descriptions, checks of types.

What the schema lets through may still be a mistake: rules between keys are checked when the file
is loaded.
"""

from __future__ import annotations

import json
from typing import Any

from orchestration.workspace.entities import ENTITIES
from orchestration.workspace.model import Settings

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def workspace_schema() -> dict[str, Any]:
    """The schema as pydantic writes it, with the names of entities and their columns."""
    schema = Settings.model_json_schema(mode="validation")
    source = schema["$defs"]["Source"]
    source["properties"]["entity"]["enum"] = list(ENTITIES)
    source["allOf"] = [
        {
            "if": {"properties": {"entity": {"const": entity.name}}, "required": ["entity"]},
            "then": {
                "properties": {
                    key: {"propertyNames": {"enum": list(entity.column_names)}}
                    for key in ("columns", "constants")
                }
            },
        }
        for entity in ENTITIES.values()
    ]
    return {"$schema": DIALECT, **schema, "title": "workspace.yml"}


def schema_text() -> str:
    """The schema as an indented JSON text."""
    return json.dumps(workspace_schema(), indent=2, ensure_ascii=False)
