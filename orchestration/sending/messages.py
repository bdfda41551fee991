"""The messages that carry actions: signed webhooks of one action each, or Slack's text of many."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix, not a secret
EVENT = "nps.action.listed"
# Slack cuts a text that is much longer than these.
_LINES_OF_A_MESSAGE = 20

Action = Mapping[str, Any]


@dataclass(frozen=True)
class Message:
    """A body of JSON with its headers, and the keys of the actions in it."""

    body: bytes
    headers: Mapping[str, str]
    keys: tuple[str, ...]


def secret_key(secret: str) -> bytes:
    """The key of a secret as Standard Webhooks writes it: `whsec_` and Base64.

    Raises:
        ValueError: it is none.
    """
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not key or not secret.startswith(SECRET_PREFIX):
        raise ValueError(f"is no signing secret: {SECRET_PREFIX} followed by Base64")
    return key


def signature(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The header webhook-signature (Standard Webhooks 1.0): HMAC-SHA256 of id, time and body."""
    signed = b".".join([message_id.encode(), str(timestamp).encode(), body])
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def webhook_message(action: Action, key: bytes, now: datetime) -> Message:
    """One action as a signed message; its id is that of the action, whenever it is sent."""
    timestamp = int(now.timestamp())
    content = {"type": EVENT, "timestamp": _iso(now), "data": action}
    body = json.dumps(content, ensure_ascii=False, default=_plain).encode()
    message_id = f"action_{action['action_key']}"
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(key, message_id, timestamp, body),
    }
    return Message(body, headers, (str(action["action_key"]),))


def slack_messages(actions: Sequence[Action]) -> list[Message]:
    """Actions as plain text for a Slack webhook, a line each, without links and mentions."""
    found = []
    for start in range(0, len(actions), _LINES_OF_A_MESSAGE):
        part = actions[start : start + _LINES_OF_A_MESSAGE]
        text = "\n".join(
            f"{_escaped(_who(action))}: {_escaped(action['reason'])}" for action in part
        )
        body = json.dumps({"text": text, "mrkdwn": False}, ensure_ascii=False).encode()
        found.append(Message(body, {}, tuple(str(action["action_key"]) for action in part)))
    return found


def _who(action: Action) -> str:
    """Whom an action is about: as far as the message may say, else by the answer's key."""
    named = [str(action[name]) for name in ("name", "email", "customer_id") if action.get(name)]
    return " ".join([str(action["action"]), *(named or [f"answer {action['response_key']}"])])


def _escaped(text: str) -> str:
    """Slack's three characters, and what would begin another line."""
    for char, escape in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(char, escape)
    return " ".join(text.split())


def _plain(value: Any) -> str:
    return _iso(value) if isinstance(value, datetime) else str(value)


def _iso(moment: datetime) -> str:
    """A moment of UTC, with or without its zone, in ISO 8601."""
    return f"{moment.astimezone(UTC) if moment.tzinfo else moment:%Y-%m-%dT%H:%M:%SZ}"
