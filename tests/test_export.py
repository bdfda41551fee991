"""`nps export`: published tables as CSV, JSON and XLSX, without formulas and without personal data."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path

import duckdb
import openpyxl
import pytest

from orchestration import cli, export
from orchestration.core.errors import UserError
from orchestration.export import export_tables
from orchestration.workspace.load import load_workspace
from orchestration.workspace.model import Workspace

# Faults 85 to 89: what a spreadsheet takes for a formula or skips before one.
FORMULAS = {
    "85 equals sign": "=1+1",
    "86 plus": "+1",
    "87 minus": "-1",
    "88 at sign": "@SUM(A1)",
    "89 tab": "\t=1",
    "89 CR": "\r=1",
    "89 line feed": "\n=1",
    "85 full-width equals sign": "\uff1d1+1",
    "88 full-width at sign": "\uff20x",
}
HARMLESS = ("a=1", " =1", "'=1", "", "semi;colon", 'a "quoted" word', "two\nlines", "naïve")
SETTINGS = """\
version: 1
sources:
  - name: crm
    entity: customers
    files: "*.csv"
    columns: {customer_id: id}
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A published generation of three tables, one of them restricted."""
    (tmp_path / "workspace.yml").write_text(SETTINGS)
    folder = tmp_path / "published/generations/g1"
    folder.mkdir(parents=True)
    (tmp_path / "published/current").symlink_to("generations/g1")
    rows = [(place, text) for place, text in enumerate((*FORMULAS.values(), *HARMLESS, None))]
    with duckdb.connect(str(folder / "nps.duckdb")) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.texts (place integer, text varchar)")
        connection.executemany("insert into marts.texts values (?, ?)", rows)
        connection.execute(
            "create table marts.kinds as select -5 as whole, -0.25 as exact, -1.5e0 as number, "
            "'infinity'::double as endless, true as flag, date '2025-12-31' as day, "
            "timestamp '2025-12-31 10:00:00' as at, md5('x')::uuid as key, null::double as nothing"
        )
        connection.execute("create table marts._generation as select 'g1' as generation_id")
    with duckdb.connect(str(folder / "restricted.duckdb")) as connection:
        connection.execute("create schema restricted.restricted")
        connection.execute(
            "create table restricted.restricted.comments as select '=cmd()' as comment, 'x\x01y' as odd"
        )
    monkeypatch.setenv("NPS_WORKSPACE", str(tmp_path))
    return load_workspace(tmp_path)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def read_xlsx(path: Path) -> list[tuple]:
    book = openpyxl.load_workbook(path)
    assert len(book.sheetnames) == 1
    cells = [cell for row in book.active.iter_rows() for cell in row]
    assert all(cell.data_type != "f" for cell in cells)
    return list(book.active.iter_rows(values_only=True))


def test_texts_that_begin_as_formulas_are_escaped(workspace: Workspace):
    export_tables(workspace, ["texts"], "csv")
    texts = [row["text"] for row in read_csv(workspace.root / "exports/texts.csv")]
    assert texts == [*(f"'{text}" for text in FORMULAS.values()), *HARMLESS, ""]
    # an empty cell is NULL, an empty text has quotes
    assert b'\n12,""\n' in (workspace.root / "exports/texts.csv").read_bytes()


def test_the_same_in_a_workbook(workspace: Workspace):
    export_tables(workspace, ["texts"], "xlsx")
    header, *rows = read_xlsx(workspace.root / "exports/texts.xlsx")
    assert header == ("place", "text")
    # XML has no carriage return, and a workbook no empty text beside the empty cell
    expected = [*(f"'{text}" for text in FORMULAS.values()), *HARMLESS, None]
    assert [text or "" for _, text in rows] == [
        (text or "").replace("\r", "\n") for text in expected
    ]


@pytest.mark.parametrize("case", FORMULAS)
def test_what_begins_as_a_formula_is_text_in_both_kinds_of_file(workspace: Workspace, case: str):
    place = [*FORMULAS].index(case)
    escaped = f"'{FORMULAS[case]}"
    export_tables(workspace, ["texts"], "csv")
    assert read_csv(workspace.root / "exports/texts.csv")[place]["text"] == escaped
    export_tables(workspace, ["texts"], "xlsx")
    # XML has no carriage return
    found = read_xlsx(workspace.root / "exports/texts.xlsx")[1 + place]
    assert found == (place, escaped.replace("\r", "\n"))


def test_87_numbers_and_times_stay_what_they_are(workspace: Workspace):
    export_tables(workspace, ["marts.kinds"], "csv")
    (row,) = read_csv(workspace.root / "exports/kinds.csv")
    assert row == {
        "whole": "-5", "exact": "-0.25", "number": "-1.5", "endless": "inf", "flag": "true",
        "day": "2025-12-31", "at": "2025-12-31 10:00:00",
        "key": "9dd4e461-268c-8034-f5c8-564e155c67a6", "nothing": "",
    }  # fmt: skip
    export_tables(workspace, ["kinds"], "xlsx")
    _, row = read_xlsx(workspace.root / "exports/kinds.xlsx")
    assert row == (
        -5, -0.25, -1.5, None, True, datetime(2025, 12, 31), datetime(2025, 12, 31, 10),
        "9dd4e461-268c-8034-f5c8-564e155c67a6", None,
    )  # fmt: skip
    assert date(2025, 12, 31) == row[5].date()


def test_json_holds_texts_as_they_are_and_no_infinity(workspace: Workspace):
    export_tables(workspace, ["texts", "kinds"], "json")
    read = {
        name: json.loads((workspace.root / f"exports/{name}.json").read_text("utf-8"))
        for name in ("texts", "kinds")
    }
    texts = [row["text"] for row in read["texts"]]
    assert texts == [*FORMULAS.values(), *HARMLESS, None]
    assert read["kinds"] == [
        {
            "whole": -5, "exact": -0.25, "number": -1.5, "endless": None, "flag": True,
            "day": "2025-12-31", "at": "2025-12-31T10:00:00.000000Z",
            "key": "9dd4e461-268c-8034-f5c8-564e155c67a6", "nothing": None,
        }
    ]  # fmt: skip


def test_without_names_all_marts_and_nothing_restricted(workspace: Workspace, tmp_path: Path):
    export_tables(workspace, [], "csv", tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"texts.csv", "kinds.csv"}


def test_restricted_tables_need_a_word_and_are_their_owners_alone(workspace: Workspace):
    with pytest.raises(UserError, match=r"comments: is restricted.*add --restricted"):
        export_tables(workspace, ["comments"], "csv")
    export_tables(workspace, [], "xlsx", restricted=True)
    folder = workspace.root / "exports"
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes.pop("comments.xlsx") == 0o600
    assert set(modes) == {"texts.xlsx", "kinds.xlsx"}
    assert all(mode & 0o400 for mode in modes.values())
    # what XML cannot hold is replaced
    assert read_xlsx(folder / "comments.xlsx")[1] == ("'=cmd()", "x\ufffdy")


@pytest.mark.parametrize("name", ["landing", "lake", "published/current", "warehouse/x", "runs"])
def test_no_folder_of_the_workspace_is_written_to(workspace: Workspace, name: str):
    with pytest.raises(UserError, match="choose another folder"):
        export_tables(workspace, [], "csv", workspace.root / name)


def test_an_unknown_table_and_nothing_published(workspace: Workspace):
    with pytest.raises(UserError, match="text: no such table is published; did you mean 'texts'"):
        export_tables(workspace, ["text"], "csv")
    (workspace.published / "current").unlink()
    with pytest.raises(UserError, match="nothing is published yet"):
        export_tables(workspace, [], "csv")


def test_what_a_sheet_cannot_hold_is_said(workspace: Workspace, monkeypatch, capsys):
    monkeypatch.setattr(export, "_SHEET_ROWS", 5)
    monkeypatch.setattr(export, "_CELL", 3)
    assert cli.main(["export", "texts", "--format", "xlsx"]) == 1
    assert "texts: not written: it has 18 rows, and a sheet holds 5" in capsys.readouterr().err
    assert not (workspace.root / "exports/texts.xlsx").exists()
    assert cli.main(["export", "kinds", "--format", "xlsx"]) == 1
    # the key alone is longer than three
    assert "kinds: 1 texts were cut" in capsys.readouterr().err


def test_a_failure_leaves_the_old_file(workspace: Workspace, monkeypatch):
    export_tables(workspace, ["texts"], "csv")
    before = (workspace.root / "exports/texts.csv").read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "_write_csv", fail)
    with pytest.raises(UserError, match="disk is full"):
        export_tables(workspace, ["texts"], "csv")
    assert [path.name for path in (workspace.root / "exports").iterdir()] == ["texts.csv"]
    assert (workspace.root / "exports/texts.csv").read_bytes() == before


def test_the_command_says_what_it_wrote(workspace: Workspace, capsys):
    assert cli.main(["export", "kinds", "--to", str(workspace.root / "out")]) == 0
    assert "out/kinds.csv: 1 rows" in capsys.readouterr().out


def test_rows_are_streamed(workspace: Workspace):
    """300,000 rows of 200 characters, 60 MB of text: a workbook of them takes far less memory."""
    file = workspace.root / "published/generations/g1/nps.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute(
            "create table marts.wide as select range as place, repeat('x', 200) || range as text "
            "from range(300000)"
        )
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from orchestration.export import export_tables\n"
        "from orchestration.workspace.load import load_workspace\n"
        "workspace = load_workspace(Path(sys.argv[1]))\n"
        "def peak(table):\n"
        "    export_tables(workspace, [table], 'xlsx', progress=lambda line: None)\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(peak('texts'), peak('wide'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(workspace.root)],
        capture_output=True,
        text=True,
        check=True,
    )
    small, large = map(int, done.stdout.split())
    unit = 1 if sys.platform == "darwin" else 1024
    assert (large - small) * unit < 60_000_000
