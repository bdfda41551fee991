"""One POST of JSON to a web address that the environment names."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

SECONDS = 10


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirection is an error: what was meant for one address goes to no other."""

    def redirect_request(self, *_: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect)


def post_json(address: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
    """Post a body of JSON.

    Args:
        address: an http or https address.
        body: the JSON, UTF-8.
        headers: more of them.

    Raises:
        ValueError: the address is of another kind.
        OSError: there is no answer within SECONDS, or it is another than 2xx.
    """
    if urlsplit(address).scheme not in ("http", "https"):
        raise ValueError("a webhook's address begins with http:// or https://")
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
        address, data=body, headers={"Content-Type": "application/json", **(headers or {})}
    )
    with _opener.open(request, timeout=SECONDS):
        pass


def why_not_posted(error: OSError | ValueError) -> str:
    """Why a POST failed, without the address, which may hold a secret."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the address answered {error.code}"
    if isinstance(error, ValueError):
        return "the address is none that begins with http:// or https://"
    return "there is no answer from the address"
