"""Why a whole file is quarantined."""

from __future__ import annotations


class FileFault(Exception):
    """Why a whole file is quarantined.

    Attributes:
        reason: one of the file reasons' codes.
        message: what is wrong and how to fix it; never the text of a cell.
        rows: rows delivered; None: to be counted by the lines.
    """

    def __init__(self, reason: str, message: str, rows: int | None = None):
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.rows = rows
