"""`nps init`: from files to a workspace: its settings, and the files where it looks for them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from orchestration.core.errors import UserError
from orchestration.lake.names import printable
from orchestration.preview.propose import Choice, Entry, with_choice
from orchestration.preview.settings_text import settings_text
from orchestration.preview.shape import read_table
from orchestration.preview.together import propose, proposed_as_of
from orchestration.workspace.current import PROJECT_DIR, VARIABLE
from orchestration.workspace.model import FILE_NAME

Ask = Callable[[str], str]
"""Asks a person one question, and returns the answer; raises EOFError where nobody answers."""


def new_root() -> Path:
    """The folder of the workspace that is to be made: that of NPS_WORKSPACE, else the current one.

    Raises:
        UserError: it is a workspace already, or the project's own folder.
    """
    named = os.environ.get(VARIABLE)
    root = Path(named or ".").expanduser().absolute()
    if not named and root.resolve() == PROJECT_DIR:
        raise UserError(
            f"{VARIABLE} names no folder, and a workspace cannot be the project's own; write "
            f"{VARIABLE}=my before `nps init`, or run it in a folder of your own"
        )
    if (root / FILE_NAME).exists():
        raise UserError(
            f"{root / FILE_NAME}: exists and is kept; add the files as an entry there "
            f"(docs/sources.md), or name another folder in {VARIABLE}"
        )
    return root


def init(
    root: Path, files: Sequence[str], ask: Ask | None, say: Callable[[str], None]
) -> list[str]:
    """Make a workspace of some files.

    Args:
        root: its folder, made if missing.
        files: paths of delivered files.
        ask: answers what the files don't say; None: it is left open, as comments.
        say: prints a line.

    Returns:
        The lines of workspace.yml at which something is to be chosen: ``line 12: …``.

    Raises:
        UserError: a file cannot be read, or none of them holds answers with a score.
    """
    paths = [Path(name).expanduser() for name in dict.fromkeys(files)]
    absent = [
        f"{printable(str(path))}: there is no such file" for path in paths if not path.is_file()
    ]
    if absent:
        raise UserError("\n".join(absent))
    tables = []
    for path in paths:
        table = read_table(path)
        say(f"{printable(path.name)}: {table.words}")
        tables.append(table)
    entries, missing = propose(tables)
    for line in missing:
        say(f"! {line}; it is left out")
    for entry in entries:
        _decide(entry, ask, say)
    text = settings_text(entries, as_of=proposed_as_of(entries, date.today()))
    _write(root, text, entries, say)
    return [
        f"line {number}: {line.strip().removeprefix('# CHOOSE: ')}"
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip().startswith("# CHOOSE: ")
    ]


def _decide(entry: Entry, ask: Ask | None, say: Callable[[str], None]) -> None:
    """Ask what the entry's file does not say; without an answer it is left open."""
    while ask is not None and entry.choices:
        choice = entry.choices[0]
        chosen = _answer(entry, choice, ask, say)
        if chosen is None:
            return
        with_choice(entry, choice, chosen)


def _answer(entry: Entry, choice: Choice, ask: Ask, say: Callable[[str], None]) -> int | None:
    say(f"\n{printable(entry.table.path.name)}: {choice.question}")
    for number, (answer, remark) in enumerate(choice.options, start=1):
        (value,) = answer.values()
        say(f"  {number}  {printable(value)}: {printable(remark)}")
    while True:
        try:
            text = ask(f"Number (1 to {len(choice.options)}; nothing leaves it open): ").strip()
        except EOFError:
            return None
        if not text:
            return None
        if text.isdigit() and 1 <= int(text) <= len(choice.options):
            return int(text) - 1
        say(f"{text!r} is none of them")


def _write(root: Path, text: str, entries: Sequence[Entry], say: Callable[[str], None]) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
        (root / FILE_NAME).write_text(text, encoding="utf-8")
        for entry in entries:
            folder = root / "landing" / entry.name
            folder.mkdir(parents=True, exist_ok=True)
            for table in entry.tables:
                target = folder / table.path.name
                if not (target.exists() and target.samefile(table.path)):
                    shutil.copy2(table.path, target)
    except OSError as error:
        raise UserError(f"{root}: cannot be written ({error.strerror})") from None
    count = sum(len(e.tables) for e in {e.name: e for e in entries}.values())
    say(f"wrote {root / FILE_NAME}; copied {count} file{'' if count == 1 else 's'} to landing/")
