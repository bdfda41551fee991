"""The folders and links of `published/`.

generations/<id>/     nps.duckdb (0444), restricted.duckdb (0600), parquet/, report/
generations/.<id>/    a generation while it is made or removed; a killed run's is swept
current               link to the published generation; one rename of it publishes
nps.duckdb, restricted.duckdb, parquet, report    lasting links through `current`
ledger.jsonl          one line for each generation
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path

import duckdb

from orchestration.core.files import point, remove, replace, sync
from orchestration.publish.generation import MARTS, PARTS, read_generation

LINKS = (*(part.file_name for part in PARTS), "parquet", "report")


def generation_folder(published: Path, generation_id: str) -> Path:
    """The folder of a finished generation."""
    return published / "generations" / generation_id


def current_id(published: Path) -> str | None:
    """The id of the published generation; None: nothing is published yet."""
    link = published / "current"
    return link.readlink().name if link.is_symlink() and link.exists() else None


def generation_ids(published: Path) -> list[str]:
    """The ids of the finished generations, oldest first."""
    return sorted(path.name for path in published.glob("generations/[!.]*"))


def turn(published: Path, generation_id: str) -> None:
    """Make a finished generation the published one: one rename of the link `current`.

    The lasting links come before it; one that then leads nowhere, as without Parquet, is removed.
    """
    for name in LINKS:
        link = published / name
        if (generation_folder(published, generation_id) / name).exists():
            if link.is_dir() and not link.is_symlink():  # a link can't be renamed over a folder
                replace(link, published / f".{name}.old")
            point(link, f"current/{name}")
    point(published / "current", f"generations/{generation_id}")
    sync(published)
    for name in LINKS:
        if (published / name).is_symlink() and not (published / name).exists():
            (published / name).unlink()


def sweep(published: Path, keep: Collection[str | None]) -> None:
    """Remove what unfinished runs left, and every generation but the published and those to keep.

    The generation before the published one is kept for readers in mid-scan, which go on opening
    files of the folder that they began with, and for a rollback.
    """
    in_use = (published / "parquet").resolve()  # of an older version, until it is taken over
    for leftover in published.glob(".*"):
        if leftover.is_symlink() or leftover.resolve() != in_use:
            remove(leftover)
    folder = published / "generations"
    for path in list(folder.iterdir()) if folder.is_dir() else ():
        if path.name not in {*keep, current_id(published)}:
            # hidden first: a generation that is half removed may not look like a finished one
            remove(path.rename(folder / f".{path.name.lstrip('.')}"))


def take_over(published: Path) -> None:
    """Make a generation folder of the files that an older version published side by side.

    The files become second links to the same bytes: readers see the same generation all along.
    """
    marts = published / MARTS.file_name
    if current_id(published) or marts.is_symlink() or not marts.is_file():
        return
    try:
        generation_id = read_generation(marts, MARTS.schema)["generation_id"]
    except duckdb.Error:
        return  # unreadable: the next publication replaces it
    folder = generation_folder(published, generation_id)
    remove(folder)  # of a take-over that was killed
    folder.mkdir(parents=True)
    for source in (path for path in map(published.joinpath, LINKS) if path.exists()):
        if source.is_dir():
            shutil.copytree(source, folder / source.name, copy_function=os.link)
        else:
            os.link(source, folder / source.name)
    point(published / "current", f"generations/{generation_id}")  # before the links through it
    turn(published, generation_id)
