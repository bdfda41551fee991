"""Compressed deliveries: gzip, or a zip archive with one table in it.

The name says that a file is compressed, and the bytes must agree. Nothing is unpacked to a name of
the archive's choosing: the one table is read as a stream, within the limits of a file.
"""

from __future__ import annotations

import gzip
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal

from orchestration.lake.faults import FileFault
from orchestration.workspace.model import Format

Packing = Literal["gzip", "zip"]
CHUNK = 8 << 20
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_ENDINGS: dict[Packing, tuple[str, ...]] = {"gzip": (".gz", ".gzip"), "zip": (".zip",)}
# No table shrinks to less, and a small one may be as empty as it likes.
_MOST, _HARMLESS = 200, 64 << 20
_ERRORS = (
    gzip.BadGzipFile, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError,
)  # fmt: skip


def packing_of(head: bytes, name: str, form: Format) -> Packing | None:
    """How a file is compressed, if its name and its first bytes say so and it may hold a text."""
    if form.type in ("parquet", "xlsx"):
        return None
    if head.startswith(_GZIP) and name.lower().endswith(_ENDINGS["gzip"]):
        return "gzip"
    return "zip" if head.startswith(_ZIP) and name.lower().endswith(_ENDINGS["zip"]) else None


def unpacked(path: Path, packing: Packing, form: Format) -> Iterator[bytes]:
    """The bytes of the table in a compressed file.

    Args:
        path: the compressed file.
        packing: how it is compressed.
        form: the declaration, for the limit of a file.

    Raises:
        FileFault: when it is damaged, holds anything but one table, or unpacks beyond bounds.
    """
    size = path.stat().st_size
    try:
        if packing == "gzip":
            with gzip.open(path) as stream:
                yield from _chunks(stream, size, form)
        else:
            with zipfile.ZipFile(path) as archive:
                member = _only_table(archive)
                check_unpacked(member.file_size, size, form)
                with archive.open(member) as stream:
                    yield from _chunks(stream, size, form)
    except _ERRORS as error:
        raise _fault(f"cannot be unpacked ({type(error).__name__}); deliver it again") from None


def check_unpacked(unpacked_size: int, size: int, form: Format) -> None:
    """Check what a compressed file unpacks to, before or while it is unpacked.

    Raises:
        FileFault: when it is more than a file may have, or than a table can shrink.
    """
    if unpacked_size > form.max_file_mb << 20:
        raise FileFault(
            "oversized_file",
            f"unpacked the file has more than format.max_file_mb {form.max_file_mb:,}; raise the "
            "limit, or split the file",
            0,
        )
    if unpacked_size > max(_HARMLESS, _MOST * size):
        raise FileFault(
            "oversized_file",
            f"{size:,} bytes unpack to more than {_MOST} times as many, which no real table does; "
            "deliver it unpacked if it is one",
            0,
        )


def is_safe_name(name: str) -> bool:
    """Whether a name in an archive stays below the folder into which it would be unpacked."""
    parts = name.replace("\\", "/").split("/")
    is_absolute = name.startswith(("/", "\\")) or ":" in parts[0]
    return not is_absolute and ".." not in parts and "\0" not in name


def _only_table(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = archive.infolist()
    if not all(is_safe_name(member.filename) for member in members):
        raise _fault("has a name in it that leads out of its folder; deliver the table alone")
    if any(stat.S_ISLNK(member.external_attr >> 16) for member in members):
        raise _fault("has a link in it; deliver the table alone")
    tables = [member for member in members if not member.is_dir() and not _is_extra(member)]
    if len(tables) != 1:
        raise _fault(f"holds {len(tables)} files; deliver one table in each archive")
    if tables[0].flag_bits & 1:
        raise _fault("is locked with a password; deliver it without one")
    return tables[0]


def _is_extra(member: zipfile.ZipInfo) -> bool:
    """Whether a member is one that macOS or a hidden folder adds."""
    return any(part.startswith((".", "__MACOSX")) for part in member.filename.split("/"))


def _chunks(stream: IO[bytes] | gzip.GzipFile, size: int, form: Format) -> Iterator[bytes]:
    total = 0
    while chunk := stream.read(CHUNK):
        total += len(chunk)
        check_unpacked(total, size, form)
        yield chunk


def _fault(text: str) -> FileFault:
    return FileFault("compressed_file", f"the archive {text}", 0)
