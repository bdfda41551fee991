"""Every public module, class and function of the project says what it is."""

import ast
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
MODULES = sorted(
    path
    for package in ("orchestration", "expectations", "sample", "benchmarks")
    for path in (PROJECT / package).rglob("*.py")
)


def undescribed(tree: ast.Module) -> list[str]:
    """Public definitions without a docstring, by name; the module itself first."""
    found = [] if ast.get_docstring(tree) else ["the module"]

    def walk(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                if child.name.startswith("_"):
                    continue
                if not ast.get_docstring(child):
                    found.append(prefix + child.name)
                if isinstance(child, ast.ClassDef):
                    walk(child, f"{prefix}{child.name}.")

    walk(tree, "")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_everything_public_is_described(path):
    assert undescribed(ast.parse(path.read_text(encoding="utf-8"))) == []


def test_the_measure_finds_what_is_missing():
    tree = ast.parse('"""Doc."""\ndef f(): ...\nclass C:\n    """Doc."""\n    def g(self): ...\n')
    assert undescribed(tree) == ["f", "C.g"]


@pytest.mark.parametrize(
    "name",
    ["README.md", "CONTRIBUTING.md", *(f"docs/{p.name}" for p in (PROJECT / "docs").glob("*.md"))],
)
def test_links_between_pages_lead_somewhere(name):
    import re

    page = PROJECT / name
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{name} links to {target}, which is not there"
