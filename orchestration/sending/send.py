"""Sending the actions of the published generation that were not sent before, each once.

What was sent is kept in ``lake/sent/actions.jsonl``, keys alone. A key is written once the
other side took the message; a run that is killed in between sends it again under the same
``webhook-id``, by which a receiver knows it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from orchestration.core.duckdb_session import open_published
from orchestration.core.files import append_line, read_json_lines
from orchestration.publish.generation import RESTRICTED
from orchestration.sending.messages import (
    Action,
    Message,
    secret_key,
    slack_messages,
    webhook_message,
)
from orchestration.sending.post import post_json, why_not_posted
from orchestration.workspace.model import Workspace
from orchestration.workspace.sections import SendActions

# Of a list that many systems read: what to do, why, how urgent it is. Who it is, only on demand.
_FACTS = (
    "action_key", "action", "response_key", "customer_key", "survey_type", "nps_class", "score",
    "responded_at", "contact_due_at", "sla_state", "has_open_case", "mrr", "chance_to_leave",
    "mrr_at_risk", "call_rank", "reason",
)  # fmt: skip
_IDENTITY = ("customer_id", "name", "email")


@dataclass(frozen=True)
class Sent:
    """How many actions were sent, how many wait, and why they do (None: no fault)."""

    sent: int
    waiting: int
    problem: str | None = None

    @property
    def line(self) -> str:
        """In words, for the run and its summary."""
        text = f"new actions sent: {self.sent:,}"
        if self.waiting:
            text += f"; {self.waiting:,} wait for the next run"
        return f"{text}: {self.problem}" if self.problem else text


def send_actions(workspace: Workspace) -> Sent | None:
    """Send the published actions that were not sent before, the most urgent first.

    Nothing that the other side does is an error of this program: it is said in the result.

    Args:
        workspace: its ``actions: {send: …}`` says where to, by names of environment variables.

    Returns:
        None where nothing is declared.
    """
    declared = workspace.actions.send
    if declared is None:
        return None
    new, in_all = _unsent(workspace, declared)
    if not new:
        return Sent(0, 0)
    sent = 0
    try:
        address = _from_environment(declared.address_env)
        for message in _messages(declared, new):
            post_json(address, message.body, message.headers)
            for key in message.keys:
                append_line(_record(workspace), {"action_key": key, "sent_at": _now()})
            sent += len(message.keys)
    except _Undeclared as problem:
        return Sent(0, in_all, str(problem))
    except (OSError, ValueError) as error:
        return Sent(sent, in_all - sent, why_not_posted(error))
    return Sent(sent, in_all - sent)


class _Undeclared(Exception):
    """The environment lacks what sending needs."""


def _from_environment(name: str) -> str:
    found = os.environ.get(name, "")
    if not found:
        raise _Undeclared(f"the environment variable {name} is not set")
    return found


def _messages(declared: SendActions, actions: Sequence[Action]) -> Iterator[Message]:
    if declared.to == "slack":
        yield from slack_messages(actions)
        return
    secret = _from_environment(declared.secret_env)
    try:
        key = secret_key(secret)
    except ValueError as problem:
        raise _Undeclared(f"the environment variable {declared.secret_env} {problem}") from None
    for action in actions:
        yield webhook_message(action, key, datetime.now(UTC))


def _unsent(workspace: Workspace, declared: SendActions) -> tuple[list[dict[str, Any]], int]:
    """The actions to send now, and how many in all were not sent before."""
    known = [line["action_key"] for line in read_json_lines(_record(workspace))]
    columns = ", ".join(_FACTS + (_IDENTITY if declared.identity else ()))
    # no such table: a generation of an older version, or the workspace's user dropped the model
    try:
        with open_published(workspace.published / RESTRICTED.file_name) as connection:
            unsent = connection.execute(
                f"select {columns} from restricted.nps_actions "
                "where not list_contains(?::varchar[], action_key::varchar) order by call_rank",
                [known],
            )
            found = unsent.to_arrow_table().to_pylist()
    except duckdb.CatalogException:
        return [], 0
    return found[: declared.most], len(found)


def _record(workspace: Workspace) -> Path:
    """The file of what was sent; its folder is made where it is missing."""
    folder = workspace.lake / "sent"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "actions.jsonl"


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
