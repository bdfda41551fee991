"""File names as they are stored and printed, and the names that are ignored."""

from __future__ import annotations

# Names under which tools write before they are done, and hidden files.
UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".filepart")
HIDDEN = (".", "~")


def stored_name(text: str) -> str:
    """A file's name as Unicode: bytes that are none are written as escapes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def printable(text: str) -> str:
    """A name that cannot forge a line or hide its ending when it is printed."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in stored_name(text)
    )
