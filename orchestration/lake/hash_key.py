"""The key of the hashes that stand for e-mail addresses in what everybody may read.

Whoever knows an address could compute a plain hash of it and look it up. It lies in the lake, which
only its owner may read, and is made once; NPS_HASH_KEY makes the same key in every workspace.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets

from orchestration.core.atomic_write import write_if_changed
from orchestration.core.errors import UserError
from orchestration.workspace.model import Workspace

VARIABLE = "NPS_HASH_KEY"
_KEY = re.compile(r"[0-9a-f]{64}")


def hash_key(workspace: Workspace) -> str:
    """The workspace's key, 64 hex digits: from the environment, else the lake's, made if missing.

    Raises:
        UserError: the lake's file holds no key.
    """
    if given := os.environ.get(VARIABLE):
        return hashlib.sha256(given.encode()).hexdigest()
    if workspace.hash_key_file.exists():
        text = workspace.hash_key_file.read_bytes().decode("ascii", "replace").strip()
        if not _KEY.fullmatch(text):
            name = workspace.hash_key_file.relative_to(workspace.root)
            raise UserError(
                f"{name} is damaged; restore it from a backup, or remove it: voices known by their "
                "e-mail alone then get new keys"
            )
        return text
    key = secrets.token_hex(32)
    write_if_changed(workspace.hash_key_file, key.encode())
    workspace.hash_key_file.chmod(0o600)
    return key
