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
from typing import TYPE_CHECKING

import duckdb

from orchestration.core.files import remove, replace, sync
from orchestration.publish.generation import MARTS, PARTS, read_generation
from orchestration.publish.ledger import read_ledger

if TYPE_CHECKING:
    from orchestration.workspace.model import Workspace

LINKS = (*(part.file_name for part in PARTS), "parquet", "report")
TEMPORARY_LINK = ".link.tmp"


def generation_folder(published: Path, generation_id: str) -> Path:
    """The folder of a finished generation."""
    return published / "generations" / generation_id


def hidden_folder(published: Path, generation_id: str) -> Path:
    """The folder of a generation that is being made or removed."""
    return published / "generations" / f".{generation_id}"


def current_id(published: Path) -> str | None:
    """The id of the published generation; None: nothing is published yet."""
    link = published / "current"
    return os.readlink(link).rpartition("/")[2] if link.is_symlink() and link.exists() else None


def generation_ids(published: Path) -> list[str]:
    """The ids of the finished generations, oldest first."""
    folder = published / "generations"
    return sorted(path.name for path in folder.glob("[!.]*")) if folder.is_dir() else []


def turn(published: Path, generation_id: str) -> None:
    """Make a finished generation the published one: one rename of the link `current`."""
    _point(published / "current", f"generations/{generation_id}")
    sync(published)


def link_names(published: Path, names: Collection[str] = LINKS) -> None:
    """Make the lasting links; what an older version left under their names goes."""
    for name in names:
        link, target = published / name, f"current/{name}"
        if link.is_symlink() and os.readlink(link) == target:
            continue
        if link.is_dir() and not link.is_symlink():  # a link can't be renamed over a folder
            replace(link, published / f".{name}.old")
        _point(link, target)
    for leftover in (*published.glob(".parquet-*"), *published.glob(".*.old")):
        remove(leftover)


def drop_dangling_links(published: Path) -> None:
    """Remove a link to what the published generation lacks, such as Parquet."""
    for name in LINKS:
        if (published / name).is_symlink() and not (published / name).exists():
            (published / name).unlink()


def sweep(workspace: Workspace) -> None:
    """Remove what only an unfinished run leaves; whatever is published stays as it is."""
    published = workspace.published
    for leftover in (*published.glob(".*.tmp"), *published.glob(".*.previous")):
        remove(leftover)
    known = {line.get("generation_id") for line in read_ledger(workspace)}
    folder = published / "generations"
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in known | {current_id(published)}:
            remove(path)


def prune(published: Path, keep: Collection[str | None]) -> None:
    """Remove every generation but those to keep, each behind a hidden name first.

    The generation before the current one is kept for readers in mid-scan, which go on opening files
    of the folder that they began with, and for a rollback.
    """
    for generation_id in generation_ids(published):
        if generation_id not in keep:
            hidden = hidden_folder(published, generation_id)
            replace(generation_folder(published, generation_id), hidden)
            shutil.rmtree(hidden)


def take_over(published: Path) -> None:
    """Make a generation folder of the files that an older version published side by side.

    The files become second links to the same bytes, so that readers see the same generation before,
    meanwhile and after.
    """
    path = published / MARTS.file_name
    if (published / "current").is_symlink() or path.is_symlink() or not path.is_file():
        return
    try:
        generation_id = read_generation(path, MARTS.schema)["generation_id"]
    except duckdb.Error:
        return  # unreadable: the next publication replaces it
    hidden = hidden_folder(published, generation_id)
    hidden.mkdir(parents=True)
    for part in PARTS:
        try:
            if read_generation(published / part.file_name, part.schema)["generation_id"] == (
                generation_id
            ):
                os.link(published / part.file_name, hidden / part.file_name)
        except duckdb.Error:
            continue  # missing, unreadable, or of a publication that was cut off
    if (published / f".parquet-{generation_id}").is_dir():
        shutil.copytree(
            published / f".parquet-{generation_id}", hidden / "parquet", copy_function=os.link
        )
    if (published / "report").is_dir():
        shutil.copytree(published / "report", hidden / "report")
    replace(hidden, generation_folder(published, generation_id))
    turn(published, generation_id)
    link_names(published)
    drop_dangling_links(published)


def _point(link: Path, target: str) -> None:
    temporary = link.with_name(TEMPORARY_LINK)
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    replace(temporary, link)
