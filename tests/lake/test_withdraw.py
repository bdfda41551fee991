"""Withdrawing a delivered file: its rows leave and stay away, its bytes stay archived."""

from __future__ import annotations

import hashlib

import pytest
from ingest_support import HEADER, RESPONSES, Lake

from orchestration import cli
from orchestration.core.errors import UserError
from orchestration.lake import check_anything_delivered, load_file, prepare_lake, withdraw
from orchestration.lake.manifest import Manifest

GOOD = HEADER + b"1,9,2025-01-02,fine\n"
BAD = HEADER + b"2,0,2025-01-02,bad\n3,0,2025-01-02,bad\n"
SHA = hashlib.sha256(BAD).hexdigest()


@pytest.fixture
def two(lake: Lake) -> Lake:
    lake.deliver(GOOD, "good.csv")
    lake.deliver(BAD, "bad.csv")
    lake.ingest()
    return lake


def comments(lake: Lake) -> list[str]:
    return sorted(row["comment"] for row in lake.raw())


@pytest.mark.parametrize(
    "what",
    ["bad.csv", "telco/bad.csv", "landing/telco/bad.csv", SHA, SHA[:8], SHA[:12].upper(), "path",
     "copy"],
)  # fmt: skip
def test_a_withdrawn_file_leaves_and_stays_away(two: Lake, what: str, tmp_path):
    (tmp_path / "elsewhere.csv").write_bytes(BAD)
    what = {"path": str(two.landing / "bad.csv"), "copy": str(tmp_path / "elsewhere.csv")}.get(
        what, what
    )
    (state,) = withdraw(two.workspace, what)
    assert (state.file_name, state.rows_loaded) == ("bad.csv", 2)
    result = two.ingest()
    assert comments(two) == ["fine"]
    assert [file["file_name"] for file in two.files()] == ["good.csv"]
    assert two.archived(BAD)
    assert (result.files_found, result.files_unchanged, result.files_new) == (2, 2, 0)
    # neither another name nor another mapping brings it back
    two.deliver(BAD, "renamed.csv")
    two.declare(timezone="Europe/Brussels")
    two.ingest()
    assert comments(two) == ["fine"]
    everything = two.everything()
    two.ingest()
    assert two.everything() == everything


def test_what_is_undone_counts_again(two: Lake):
    before = two.raw()
    withdraw(two.workspace, "bad.csv")
    two.ingest()
    (two.landing / "bad.csv").unlink()
    withdraw(two.workspace, "bad.csv", undo=True)
    assert two.ingest().files_rederived == 1
    assert sorted(two.raw(), key=lambda row: row["response_id"]) == sorted(
        before, key=lambda row: row["response_id"]
    )


def test_it_stays_away_when_its_source_comes_back(two: Lake):
    withdraw(two.workspace, "bad.csv")
    sources = two.content["sources"]
    two.content["sources"] = [{**RESPONSES, "name": "other"}]
    prepare_lake(two.workspace)
    two.content["sources"] = sources
    two.ingest()
    assert comments(two) == ["fine"]


def test_it_leaves_a_pack(two: Lake, monkeypatch):
    monkeypatch.setattr(load_file, "MANY", 2)
    for number in range(3):
        two.deliver(GOOD.replace(b"fine", b"%d" % number), f"{number}.csv")
    two.ingest()
    assert any("packed" in path.name for path in (two.root / "lake/raw").glob("*/*"))
    withdraw(two.workspace, "1.csv")
    two.ingest()
    assert comments(two) == ["0", "2", "bad", "bad", "fine"]


def test_a_quarantined_file_is_no_longer_reported(two: Lake):
    two.deliver(b"", "empty.csv")
    assert [problem.file_name for problem in two.ingest().problems] == ["empty.csv"]
    withdraw(two.workspace, "empty.csv")
    assert two.ingest().problems == []
    assert sorted(file["file_name"] for file in two.files()) == ["bad.csv", "good.csv"]


def test_a_file_that_feeds_two_entities_leaves_both(lake: Lake):
    surveys = {"name": "telco", "entity": "surveys", "files": "*", "columns": {"survey_id": "id"}}
    lake.content["sources"] = [RESPONSES, surveys]
    lake.deliver(BAD, "bad.csv")
    lake.ingest()
    assert len(lake.raw("surveys")) == 2
    assert len(withdraw(lake.workspace, "bad.csv")) == 2
    lake.ingest()
    assert lake.raw() == lake.raw("surveys") == []


@pytest.mark.parametrize(
    ("what", "undo", "message"),
    [
        ("bda.csv", False, "bda.csv: no such file was delivered; did you mean 'bad.csv'?"),
        ("deadbeef", False, "deadbeef: no such file was delivered; "),
        ("bad.csv", True, "bad.csv: the file is not withdrawn"),
        ("new.csv", False, "new.csv: several deliveries; name one by its SHA-256: "),
    ],
)
def test_what_cannot_be_withdrawn_is_one_line(two: Lake, what: str, undo: bool, message: str):
    for number in (1, 2):  # two versions under one name
        two.deliver(GOOD.replace(b"fine", b"%d" % number), "new.csv")
        two.ingest()
    (two.landing / "new.csv").unlink()
    lines = len(two.events())
    with pytest.raises(UserError) as caught:
        withdraw(two.workspace, what, undo=undo)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert len(two.events()) == lines


def test_a_second_withdrawal_is_one_line(two: Lake):
    withdraw(two.workspace, "bad.csv")
    with pytest.raises(UserError, match=r"^bad\.csv: the file is withdrawn already$"):
        withdraw(two.workspace, "bad.csv")


def test_the_command(two: Lake, monkeypatch, capsys):
    monkeypatch.setenv("NPS_WORKSPACE", str(two.root))
    assert two.workspace
    assert cli.main(["withdraw", SHA[:10]]) == 0
    assert f"telco/survey_responses: bad.csv ({SHA[:12]}): withdrawn, 2 rows" in (
        capsys.readouterr().out
    )
    states = Manifest.load(two.workspace.manifest_file).states.values()
    assert sorted(state.status for state in states) == ["loaded", "withdrawn"]
    assert cli.main(["withdraw", "--undo", "bad.csv"]) == 0
    assert cli.main(["withdraw", "nothing.csv"]) == 2
    assert capsys.readouterr().err.startswith("nothing.csv: no such file was delivered")


def test_a_deleted_file_is_said_to_stay(two: Lake):
    assert two.ingest().files_gone == []
    (two.landing / "bad.csv").unlink()
    assert two.ingest().files_gone == ["bad.csv"]
    assert comments(two) == ["bad", "bad", "fine"]
    withdraw(two.workspace, "bad.csv")
    assert two.ingest().files_gone == []
    (two.landing / "good.csv").rename(two.landing / "renamed.csv")
    two.ingest()
    assert two.ingest().files_gone == []


def test_a_workspace_without_any_file_names_what_lies_beside(lake: Lake):
    crm = {"name": "crm", "entity": "customers", "files": "c*.csv",
           "columns": {"customer_id": "id"}}  # fmt: skip
    lake.declare(files="nps*.csv")
    lake.content["sources"].append(crm)
    lake.deliver(GOOD, "answers.csv")
    for place in ("telcom/a.csv", "telcom/b.csv", "c.csv"):
        path = lake.root / "landing" / place
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(GOOD)
    with pytest.raises(UserError) as caught:
        check_anything_delivered(lake.workspace)
    assert str(caught.value).split("\n") == [
        "landing: no source finds a file there, so nothing is published",
        "landing/telco/: holds no file that matches 'nps*.csv' (telco/survey_responses); put the "
        "files there",
        "landing/crm/: is missing (crm/customers); put the files there",
        "landing/: c.csv: no source has this folder; the sources are crm, telco",
        "landing/telco/: telco/answers.csv: correct the name or files: in workspace.yml",
        "landing/telcom/: telcom/a.csv and 1 more: no source has this folder; the sources are crm, "
        "telco",
    ]
    lake.deliver(GOOD, "nps1.csv")
    check_anything_delivered(lake.workspace)
    lake.ingest()
    (lake.landing / "nps1.csv").unlink()  # delivered once: what is known stands
    check_anything_delivered(lake.workspace)
