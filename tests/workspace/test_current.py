"""Which workspace a process works on, before and after the sample's is generated."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.core.errors import UserError
from orchestration.workspace import current
from sample import generate


@pytest.fixture
def sample_root(tmp_path, monkeypatch) -> Path:
    """A repository whose sample workspace was not generated yet."""
    root = tmp_path / "workspace"
    monkeypatch.setattr(current, "SAMPLE_WORKSPACE", root)
    monkeypatch.delenv(current.VARIABLE, raising=False)
    return root


def test_before_it_is_generated_the_samples_settings_are_read_and_nothing_is_written(sample_root):
    workspace = current.current_workspace()
    assert workspace.root == sample_root
    assert {source.name for source in workspace.sources} >= {"crm", "pulse"}
    assert not sample_root.exists()


def test_a_workspace_of_ones_own_is_never_the_samples(sample_root, tmp_path, monkeypatch):
    monkeypatch.setenv(current.VARIABLE, str(tmp_path / "mine"))
    with pytest.raises(UserError, match="not found"):
        current.current_workspace()
    assert not current.is_sample_missing(tmp_path / "mine")


def test_the_sample_is_generated_once(sample_root, monkeypatch):
    workspace = current.current_workspace()
    made = []

    def generated(root: Path) -> None:
        made.append(root)
        root.mkdir()
        (root / "workspace.yml").write_bytes(generate.WORKSPACE.read_bytes())

    monkeypatch.setattr(generate, "generate", generated)
    generate.make_sample(workspace)
    generate.make_sample(workspace)
    assert made == [sample_root]
    assert current.current_workspace() == workspace
