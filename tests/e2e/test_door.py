"""From a file to a score by two commands: `nps init` and `nps check`, and what a run then says."""

from __future__ import annotations

import re

import e2e_support as e2e
import pytest

from orchestration.preview.check import check
from orchestration.preview.init import init
from orchestration.preview.page import check_page
from orchestration.workspace.load import load_workspace

DATA = e2e.REPOSITORY.parent / "shared/data"

ASK = {
    "name": "ask",
    "entity": "survey_responses",
    "files": "*.csv",
    "columns": {
        "response_id": "id", "customer_id": "who", "email": "mail", "score": "points",
        "submitted_at": "at", "comment": "why",
    },
    "constants": {"metric": "nps", "survey_type": "relational", "scale": "0-10"},
    "timestamps": {"submitted_at": "%d/%m/%Y"},
    "customer_source": "crm",
}  # fmt: skip
CRM = {
    "name": "crm",
    "entity": "customers",
    "files": "*.csv",
    "columns": {"customer_id": "no", "email": "mail"},
    "attributes": {"plan": "plan"},
}
HEADER = ["id", "who", "mail", "points", "at", "why", "browser"]
# Two promoters, a passive and a detractor count; one repeated row; five are refused or count nowhere.
ANSWERS = [
    ["1", "7", "ada@mail.example", "10", "05/01/2026", "A secret of Ada's", "x"],
    ["2", "8", "bob@mail.example", "9", "06/01/2026", "", "x"],
    ["3", "9.0", "", "8", "07/01/2026", "", "y"],
    ["4", "7", "", "2", "08/01/2026", "", "y"],
    ["4", "7", "", "2", "08/01/2026", "", "y"],
    ["5", "7", "", "9.5", "09/01/2026", "", "y"],
    ["6", "7", "", "11", "09/01/2026", "", "y"],
    ["7", "7", "", "", "09/01/2026", "", "y"],
    ["8", "7", "", "9", "2026-01-09", "", "y"],
    ["", "7", "", "9", "09/01/2026", "", "y"],
]
CUSTOMERS = [["7", "ada@mail.example", "gold"], ["8", "bob@mail.example", "basic"], ["9", "", ""]]


def workspace_of(root, entries, answers=ANSWERS):
    e2e.declare(root, {"version": 1, "as_of": "2026-01-31", "sources": entries})
    e2e.deliver(root, "ask/a.csv", e2e.csv_text(HEADER, answers))
    e2e.deliver(root, "crm/c.csv", e2e.csv_text(["no", "mail", "plan"], CUSTOMERS))
    return load_workspace(root)


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """A workspace, what a check found in it, and its page."""
    root = tmp_path_factory.mktemp("door") / "ws"
    workspace = workspace_of(root, [CRM, ASK])
    found = {each.source.label: each for each in check(workspace)}
    return root, found, check_page(workspace, list(found.values()))


def test_rows_by_what_becomes_of_them(checked):
    _, found, page = checked
    assert found["ask/survey_responses"].statuses == {
        "accepted": 4, "duplicate": 1, "quarantined": 5,
    }  # fmt: skip
    assert "10 = 4 accepted + 5 quarantined + 1 duplicate" in page


def test_refused_rows_have_a_reason_places_and_a_fix(checked):
    """The header is row 1: the answer of id 5 is row 7."""
    _, found, page = checked
    refused = {each.reason: each.places for each in found["ask/survey_responses"].refused}
    assert refused == {
        "score_not_a_whole_number": (("a.csv", 7),),
        "score_out_of_range": (("a.csv", 8),),
        "score_missing": (("a.csv", 9),),
        "bad_timestamp": (("a.csv", 10),),
        "missing_id": (("a.csv", 11),),
    }
    assert "! refused   bad_timestamp (submitted_at): 1 row, row 10 of a.csv" in page
    assert "Declare its format under timestamps" in page
    assert re.search(r"^  left out +score_missing: 1 row", page, re.MULTILINE)


def test_first_values_after_conversion_and_none_of_personal_columns(checked):
    _, found, page = checked
    columns = {each.name: each for each in found["ask/survey_responses"].columns}
    assert columns["score"].values == ("10", "9", "8")
    assert columns["submitted_at"].values == ("2026-01-05", "2026-01-06", "2026-01-07")
    assert (columns["email"].values, columns["comment"].values) == (None, None)
    assert columns["email"].filled == 2
    assert columns["scale"].is_constant
    assert "ada" not in page.lower()
    assert "secret" not in page
    assert found["ask/survey_responses"].unmapped == ["browser"]


def test_match_rates_say_what_ids_look_like(checked):
    """Of 7, 8 and 9.0 two are known; both addresses are."""
    _, found, page = checked
    rates = {m.column: (m.known, m.ids, m.by) for m in found["ask/survey_responses"].matches}
    assert rates == {
        "customer_id": (2, 3, "crm/customers"), "email": (2, 2, "crm/customers"),
    }  # fmt: skip
    assert "2 of 3 customer ids are known to crm" in page


def test_the_score_of_the_answers_that_count(checked):
    """Two promoters, one passive, one detractor: 100 (2 - 1) / 4."""
    _, found, page = checked
    ((metric, answers, mean, _),) = found["ask/survey_responses"].scores
    assert (metric, answers, mean) == ("nps", 4, 25.0)
    assert "NPS 25.0, each of 4 answers counted: promoter 2, passive 1, detractor 1" in page


def test_a_check_writes_nothing_of_the_workspace(checked):
    root, *_ = checked
    assert sorted(path.name for path in root.iterdir()) == ["landing", "runs", "workspace.yml"]
    left = {path.name for path in (root / "runs/check").iterdir()}
    assert left <= {".lock", "runs"}
    for path in (root / "runs").rglob("*"):
        if path.is_file():
            assert b"ada@mail" not in path.read_bytes(), path


def test_a_run_says_the_same_of_every_row(checked):
    root, found, _ = checked
    e2e.build(root, only=["ingest_reconciliation"])
    rows = e2e.marts(
        root,
        "select source || '/' || entity, rows_accepted, rows_quarantined, rows_duplicate "
        "from marts.ingest_reconciliation",
    )
    names = ("accepted", "quarantined", "duplicate")
    assert {label: tuple(counts) for label, *counts in rows} == {
        label: tuple(each.statuses.get(name, 0) for name in names) for label, each in found.items()
    }


def test_one_source_is_checked_with_the_one_that_knows_its_customers(tmp_path):
    workspace = workspace_of(tmp_path / "ws", [CRM, ASK])
    (found,) = check(workspace, "ask")
    assert [match.by for match in found.matches] == ["crm/customers", "crm/customers"]


def test_several_answers_in_a_row_are_rows_of_their_own(tmp_path):
    columns = {k: v for k, v in ASK["columns"].items() if k not in ("score", "comment")}
    entry = ASK | {
        "columns": columns,
        "constants": {"survey_type": "relational"},
        "answers": [
            {"score": "points", "metric": "nps", "scale": "0-10"},
            {"score": "browser", "metric": "csat", "scale": "1-5"},
        ],
    }
    answers = [
        ["1", "7", "", "10", "05/01/2026", "", "5"],
        ["2", "8", "", "3", "05/01/2026", "", "2"],
    ]
    (_, found) = check(workspace_of(tmp_path / "ws", [CRM, entry], answers))
    assert found.statuses == {"accepted": 4}
    assert [score[:3] for score in found.scores] == [("csat", 2, 50.0), ("nps", 2, 0.0)]
    assert {c.name: c.delivered for c in found.columns}["score"] == "points, browser"


def test_a_file_that_lacks_a_mapped_column_shows_those_it_has(tmp_path):
    columns = ASK["columns"] | {"comment": "remark"}
    workspace = workspace_of(tmp_path / "ws", [CRM, ASK | {"columns": columns}])
    (_, found) = check(workspace)
    page = check_page(workspace, [found])
    assert "! refused   a.csv: missing_column: 1 column" in page
    assert "its columns are: id, who, mail, points, at, why, browser" in page
    assert found.is_bad


# --- where nothing can be read ------------------------------------------------------------------


def test_a_format_that_fits_no_date_stops_a_run_before_the_build(tmp_path):
    root = tmp_path / "ws"
    workspace_of(root, [CRM, ASK | {"timestamps": {"submitted_at": "%m-%d-%Y"}}], ANSWERS[:5])
    looked = e2e.run(root, "check", "ask")
    assert looked.code == 1, looked.err
    assert "! stop      no submitted_at can be read: a run stops here." in looked.out
    assert 'timestamps: {submitted_at: "%d/%m/%Y"}' in looked.out
    assert 'timestamps: {submitted_at: "%m/%d/%Y"}' in looked.out  # no day after the 12th
    run = e2e.run(root, "run")
    assert run.code == 1, run.err
    blocked = re.findall(r"^ *[\d.]+ s  blocked +(.*)$", run.out, re.MULTILINE)
    assert blocked[0].startswith("survey_responses.readable failed")
    assert blocked[1] == "ask/survey_responses: submitted_at: bad_timestamp: 5 rows"
    assert not re.search(r"transform +\d+/\d+", run.out)
    assert not (root / "published/current").exists()


# --- data of others -----------------------------------------------------------------------------

ALL = "time_grain = 'all' and metric = 'nps' and survey_type = 'relational'"


def made_of(folder: str, root) -> None:
    """A workspace of all files of a folder, without a person or an edit."""
    if not DATA.is_dir():
        pytest.skip(f"{DATA} is absent: it belongs beside the repository and holds data of others")
    files = sorted(map(str, (DATA / folder).glob("*.csv")))
    assert init(root, files, None, lambda _: None) == []
    e2e.build(root, only=["fct_nps_by_period", "fct_nps_by_segment_period"])


def test_three_channels_from_two_commands(tmp_path):
    """Known: email 18.5963 of 1,952, mobile -14.714 of 1,801, web 22.0961 of 2,290, all 9.995."""
    root = tmp_path / "ws"
    made_of("datacamp_nps", root)
    found = e2e.marts(
        root,
        "select segment, responses, nps from marts.fct_nps_by_segment_period "
        f"where {ALL} and basis = 'responses' and dimension = 'channel' order by segment",
    )
    assert found == [
        ("email", 1_952, pytest.approx(18.5963, abs=5e-5)),
        ("mobile", 1_801, pytest.approx(-14.714, abs=5e-4)),
        ("web", 2_290, pytest.approx(22.0961, abs=5e-5)),
    ]
    whole = e2e.marts(
        root, f"select nps from marts.fct_nps_by_period where {ALL} and basis = 'responses'"
    )
    assert whole == [(pytest.approx(9.995, abs=5e-4),)]


def test_a_shop_from_two_commands(tmp_path):
    """Known: -14.628 of all 25,000; -16.2162 of the latest of each of 2,997 reviewers."""
    root = tmp_path / "ws"
    made_of("needful_things", root)
    found = e2e.marts(
        root,
        f"select basis, responses, nps from marts.fct_nps_by_period where {ALL} order by basis",
    )
    assert found == [
        ("customers", 2_997, pytest.approx(-16.2162, abs=5e-5)),
        ("responses", 25_000, pytest.approx(-14.628)),
    ]
