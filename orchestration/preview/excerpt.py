"""The beginnings of the delivered files, in a workspace of their own beside the real one.

A check reads them as a run would, with the same code; nothing of the real workspace but its
landing folder is opened, and nothing of it is written.
"""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

from orchestration.core.errors import UserError
from orchestration.core.files import remove
from orchestration.core.lock import hold_workspace
from orchestration.lake.faults import FileFault
from orchestration.lake.landing import inspect_file, landing_files
from orchestration.lake.names import printable
from orchestration.lake.reader import open_rows
from orchestration.lake.scan import scan_file
from orchestration.lake.session import FileProblem
from orchestration.workspace.model import Format, Source, Workspace

# Of a larger file the beginning is read; of all files together about so much.
HEAD = 8 << 20
TOTAL = 64 << 20
_ROWS_OF_PARQUET = 200_000
# What a check makes, and removes when it ends: it holds personal data.
_MADE = ("landing", "lake", "warehouse", "published", "text")


@dataclass
class Excerpt:
    """Which files of a source a check reads.

    Attributes:
        found: how many files landing has for the source.
        read: how many of them are read.
        cut: of those that are read in part: the name, the bytes read, and the bytes they have.
        problems: of those that may not be opened: why.
    """

    found: int = 0
    read: int = 0
    cut: list[tuple[str, int, int]] = field(default_factory=list)
    problems: list[FileProblem] = field(default_factory=list)

    @property
    def skipped(self) -> int:
        """How many files are not read, as enough was read before them."""
        return self.found - self.read - len(self.problems)


@contextmanager
def scratch_workspace(workspace: Workspace, sources: Sequence[Source]) -> Iterator[Workspace]:
    """A workspace of its own below ``runs/``, with the same settings and some of the sources.

    What dbt remembers of it stays, so that a second check takes seconds less.

    Raises:
        UserError: another check runs, or the folder cannot be written.
    """
    root = workspace.runs / "check"
    try:
        workspace.runs.mkdir(parents=True, exist_ok=True)
        workspace.runs.chmod(0o700)
        hold_workspace(root)
        _clear(root)
        for source in sources:
            for name in source.listed_files:  # test answers to exclude
                target = root / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(workspace.root / name, target)
        (root / "landing").mkdir()
    except OSError as error:
        raise UserError(f"{root}: cannot be written ({error.strerror})") from None
    try:
        yield workspace.model_copy(update={"root": root, "sources": tuple(sources)})
    finally:
        _clear(root)


def _clear(root: Path) -> None:
    for name in _MADE:
        remove(root / name)


def take_excerpt(workspace: Workspace, scratch: Workspace, source: Source, budget: int) -> Excerpt:
    """Put the source's files, or their beginnings, into the scratch workspace's landing folder.

    Args:
        workspace: whose files they are.
        scratch: the workspace that reads them.
        source: one of its sources.
        budget: about how many bytes to take; one file is taken in any case.
    """
    found = Excerpt()
    base = workspace.landing / source.name
    for path in landing_files(workspace, source):
        found.found += 1
        name = path.relative_to(base).as_posix()
        if budget <= 0 and found.read:
            continue
        try:
            real, _ = inspect_file(workspace, source, path)
        except FileFault as fault:
            problem = FileProblem(printable(name), fault.reason, fault.message)
            found.problems.append(problem)
            continue
        target = scratch.landing / source.name / name
        taken, size = _take(real, target, source)
        found.read += 1
        budget -= taken
        if taken < size:
            found.cut.append((printable(name), taken, size))
    return found


def _take(real: Path, target: Path, source: Source) -> tuple[int, int]:
    """Link or copy a file, or its beginning; the bytes taken, and those it has."""
    size, times = real.stat().st_size, real.stat()
    if target.exists():  # another entry of the same source took it
        return min(size, target.stat().st_size), size
    target.parent.mkdir(parents=True, exist_ok=True)
    if size <= HEAD or not take_head(real, target, source.format, HEAD):
        try:
            os.link(real, target)
        except OSError:  # another file system, or none that knows links
            shutil.copyfile(real, target)
    taken = target.stat().st_size
    if not target.samefile(real):
        os.utime(target, ns=(times.st_atime_ns, times.st_mtime_ns))
    return min(taken, size), size


def take_head(real: Path, target: Path, form: Format, most: int) -> bool:
    """Write a file's first whole rows to another file, if it can be read in part.

    Args:
        real: the file.
        target: the file to write, compressed as the other is.
        form: how it is declared to be.
        most: bytes of the text to take.

    Returns:
        Whether it was written; else the file can only be read as a whole.
    """
    is_gzip = real.name.lower().endswith((".gz", ".gzip"))
    if form.type == "parquet":
        with pq.ParquetFile(real) as file:
            batch = next(file.iter_batches(_ROWS_OF_PARQUET), None)
            if batch is not None:
                with pq.ParquetWriter(target, batch.schema) as writer:
                    writer.write_batch(batch)
        return batch is not None
    is_wide = form.encoding.lower().replace("_", "-").startswith(("utf-16", "utf16", "utf-32"))
    if form.type not in ("csv", "tsv", "jsonl") or is_wide:
        return False
    if real.name.lower().endswith(".zip"):
        return False
    with gzip.open(real) if is_gzip else real.open("rb") as stream:
        head = stream.read(most)
    quote = form.quote.encode() if form.is_delimited and form.quote else None
    end = _end_of_rows(head, quote)
    if end == 0:
        return False
    target.write_bytes(gzip.compress(head[:end], 1) if is_gzip else head[:end])
    return True


def header_of(scratch: Workspace, source: Source, name: str) -> tuple[str, ...]:
    """The columns that a file of the scratch workspace has; none where it cannot be read.

    Args:
        scratch: the workspace that reads it.
        source: the entry that declares how it is written.
        name: the file's name below the source's landing folder.
    """
    path = scratch.landing / source.name / name
    try:
        text = scratch.root / "text"
        found = scan_file(path, source.format, scratch=text, name=name)
        return open_rows(path, found, source.format, (), lambda *_: None).names
    except (FileFault, OSError):
        return ()


def _end_of_rows(head: bytes, quote: bytes | None) -> int:
    """Where the last whole row ends: behind a line end with an even number of quotes before it."""
    end = head.rfind(b"\n") + 1
    while end and quote and head.count(quote, 0, end) % 2:
        end = head.rfind(b"\n", 0, end - 1) + 1
    return end
