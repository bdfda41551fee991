"""Write proposed entries as a workspace.yml that people can read and go on with."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from orchestration.preview.propose import Choice, Entry
from orchestration.workspace.entities import ENTITIES

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_ /%-]*[A-Za-z0-9_]|[A-Za-z_]")
_WORDS = {"yes", "no", "true", "false", "null", "on", "off", "y", "n", "none"}


def settings_text(
    entries: Sequence[Entry], *, as_of: str | None, currency: str | None = None
) -> str:
    """The text of a workspace.yml.

    Args:
        entries: the entries; what is left open becomes a comment with one line for each choice.
        as_of: the day as of which everything is computed; None: every run's own day.
        currency: of amounts that name none; None: not written.
    """
    lines = [
        "# Proposed by `nps init` from the files below. `nps check` shows what a run would read.",
        "# Every key: docs/sources.md.",
        "version: 1",
    ]
    if as_of:
        lines.append(f"as_of: {as_of}  # the day of the last answer; remove it for a living survey")
    lines.append("# timezone: Europe/Brussels  # where days begin, and of times that name no zone")
    if any(entry.entity == "invoices" for entry in entries):
        lines.append(f"currency: {currency or 'USD'}  # of amounts that name none")
    segments = dict.fromkeys(name for entry in entries for name in entry.attributes)
    if segments:
        lines.append(f"segments: [{', '.join(segments)}]")
    asking = [e for e in entries if e.entity == "survey_responses"]
    metrics = [m for e in asking for m in (_metrics(e) or ["nps"])]
    if "nps" not in metrics:
        lines.append(f"headline: {{metric: {metrics[0]}, survey_type: relational}}")
    lines.append("sources:")
    for entry in entries:
        lines += [*_entry_lines(entry), ""]
    return "\n".join(lines[:-1]) + "\n"


def _metrics(entry: Entry) -> list[str]:
    several = [answer["metric"] for answer in entry.answers]
    return several or [entry.constants[key] for key in ("metric",) if key in entry.constants]


def scalar(text: str) -> str:
    """A text as YAML: plain where that is surely a text, else in quotes."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS and "  " not in text:
        return text
    return json.dumps(text, ensure_ascii=False)


def _flow(values: Mapping[str, object]) -> str:
    parts = [f"{key}: {_value(value)}" for key, value in values.items()]
    return f"{{{', '.join(parts)}}}"


def _value(value: object) -> str:
    if isinstance(value, list):
        texts = [scalar(str(each)) for each in value]
        return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    return str(value) if isinstance(value, int) else scalar(str(value))


def _entry_lines(entry: Entry) -> list[str]:
    lines = [f"  - name: {entry.name}", f"    entity: {entry.entity}"]
    lines += [f"    # {remark}" for remark in entry.remarks]
    lines.append(f"    files: {json.dumps(entry.files, ensure_ascii=False)}")
    if entry.table.form:
        lines.append(f"    format: {_flow(entry.table.form)}")
    lines.append("    columns:")
    lines += _choice_lines(entry, "columns", "      ")
    order = ENTITIES[entry.entity].column_names
    for name in sorted(entry.columns, key=order.index):
        lines.append(f"      {name}: {_value(entry.columns[name])}")
    if entry.constants:
        lines.append("    constants:")
        lines += _choice_lines(entry, "constants", "      ")
        lines += [f"      {name}: {_constant(value)}" for name, value in entry.constants.items()]
    if entry.answers:
        lines.append("    answers:")
        lines += [f"      - {_flow_answer(answer)}" for answer in entry.answers]
    if entry.attributes:
        lines.append(f"    attributes: {_flow(entry.attributes)}")
    lines += _time_lines(entry)
    if entry.null_values:
        listed = ", ".join(json.dumps(word) for word in entry.null_values)
        lines.append(f"    null_values: [{listed}]")
    if entry.normalise:
        lines.append(f"    normalise: {_flow(entry.normalise)}")
    if entry.snapshot_at:
        lines.append(f"    snapshot_at: {json.dumps(entry.snapshot_at)}")
    if entry.customer_source:
        lines.append(f"    customer_source: {entry.customer_source}")
    return lines


def _flow_answer(answer: Mapping[str, str]) -> str:
    parts = [f"{key}: {_constant(value)}" for key, value in answer.items()]
    return f"{{{', '.join(parts)}}}"


def _constant(value: str) -> str:
    return value if re.fullmatch(r"\d-\d+", value) else scalar(value)


def _time_lines(entry: Entry) -> list[str]:
    """The formats of times; without a decided one, a choice's lines bring the key itself."""
    if entry.timestamps:
        lines = ["    timestamps:", *_choice_lines(entry, "timestamps", "      ")]
        return lines + [
            f"      {name}: {json.dumps(value)}" for name, value in entry.timestamps.items()
        ]
    return _choice_lines(entry, "timestamps", "    ", "timestamps: ")


def _choice_lines(entry: Entry, path: str, indent: str, key: str = "") -> list[str]:
    lines = []
    for choice in entry.choices:
        if choice.path != path or choice.chosen is not None:
            continue
        lines.append(f"{indent}# CHOOSE: {choice.question} Take the # off one line:")
        lines += [f"{indent}# {_option(choice, n, key)}" for n in range(len(choice.options))]
    return lines


def _option(choice: Choice, number: int, key: str) -> str:
    answer, remark = choice.options[number]
    ((name, value),) = answer.items()
    shown = json.dumps(value, ensure_ascii=False) if "%" in value else _constant(value)
    text = f"{key}{{{name}: {shown}}}" if key else f"{name}: {shown}"
    return f"{text}  # {' '.join(remark.split())[:100]}"
