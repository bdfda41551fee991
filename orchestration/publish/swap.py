"""The files of a publication on the disk: hidden names, renames, and what a crash leaves.

What lies in `published/`:

    nps.duckdb              schema `marts`, mode 0444; its rename is the moment of publication
    restricted.duckdb       schema `restricted`, mode 0600
    parquet                 a link to the folder .parquet-<generation_id>
    ledger.jsonl            one line for each generation
    .nps.duckdb.tmp, .restricted.duckdb.tmp, .parquet.tmp, .restricted.duckdb.previous
                            only while publishing; what a killed run leaves is swept by the next
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import duckdb

from orchestration.core.files import candidate_file, previous_file, replace, sync, wal_file
from orchestration.publish.generation import MARTS, PARTS, RESTRICTED, read_generation


def swap(published: Path, parquet_folder: Path) -> None:
    """Rename the audited candidates into place; the last rename is the publication.

    nps.duckdb goes last because it is what readers and the ledger judge by: whoever sees the
    new nps.duckdb finds its restricted tables and its Parquet there already. The other order
    could show new answers beside the comments and call lists of the generation before. A run
    killed between the renames leaves nps.duckdb at the old generation; `settle` then takes
    the other two back to it, for which the old restricted file is kept as a second link.
    """
    restricted = published / RESTRICTED.file_name
    if restricted.exists():
        os.link(restricted, previous_file(published, RESTRICTED.file_name))
    replace(candidate_file(published, RESTRICTED.file_name), restricted)
    link = published / ".parquet.tmp"
    link.symlink_to(parquet_folder.name)
    replace(link, published / "parquet")
    sync(published)
    replace(candidate_file(published, MARTS.file_name), published / MARTS.file_name)


def settle(published: Path) -> None:
    """Make the restricted file and the Parquet link agree with nps.duckdb after a crash.

    Which generation is published is nps.duckdb's to say: either its rename happened, and only
    tidying is left, or it did not, and what was renamed before it is undone.
    """
    previous = previous_file(published, RESTRICTED.file_name)
    link = published / "parquet"
    restricted = published / RESTRICTED.file_name
    if not (published / MARTS.file_name).exists():
        # The first publication of all was cut off: there is no generation to go back to.
        for path in (link, restricted, previous):
            path.unlink(missing_ok=True)
        return
    try:
        current = read_generation(published / MARTS.file_name, MARTS.schema)["generation_id"]
    except duckdb.Error:
        previous.unlink(missing_ok=True)  # nps.duckdb can't be read: nothing to agree with
        return
    folder = published / f".parquet-{current}"
    if link.is_symlink() and os.readlink(link) != folder.name and folder.is_dir():
        temporary = published / ".parquet.tmp"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(folder.name)
        os.replace(temporary, link)
    if previous.exists():
        try:
            agrees = read_generation(restricted, RESTRICTED.schema)["generation_id"] == current
        except duckdb.Error:
            agrees = False
        if agrees:
            previous.unlink()
        else:
            os.replace(previous, restricted)
    sync(published)


def prune_parquet(published: Path) -> None:
    """Remove Parquet folders but the current one and the one before it.

    A reader in mid-scan has resolved the link to the generation before and goes on opening that
    folder's files after the link has moved; it may do so until the next publication.
    """
    link = published / "parquet"
    current = os.readlink(link) if link.is_symlink() else None
    folders = sorted(path.name for path in published.glob(".parquet-*") if path.is_dir())
    before = [name for name in folders if current is not None and name < current]
    keep = {current, *before[-1:]}
    for name in folders:
        if name not in keep:
            shutil.rmtree(published / name)


def sweep(published: Path) -> None:
    """Undo a swap that was cut off and remove what only an unfinished publication leaves."""
    settle(published)
    for part in PARTS:
        candidate = candidate_file(published, part.file_name)
        candidate.unlink(missing_ok=True)
        wal_file(candidate).unlink(missing_ok=True)
    (published / ".parquet.tmp").unlink(missing_ok=True)
    prune_parquet(published)
