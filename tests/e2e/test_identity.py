"""Who is who: voices known by an address, ids written in two ways, churn that only a status tells.

One workspace is delivered in two runs, the second a batch; another has all of it at once. The
figures are counted by hand beside the rows.
"""

from __future__ import annotations

import hashlib

import e2e_support as e2e
import pytest

NPS = {"metric": "nps", "survey_type": "relational", "scale": "0-10"}


def survey(name: str, columns: dict, **more: object) -> dict:
    """An entry of answers: an id, when, a score, and what else is mapped."""
    mapped = {"response_id": "id", "submitted_at": "at", "score": "score", **columns}
    return {"name": name, "entity": "survey_responses", "files": "answers*.csv", "columns": mapped,
            "constants": {**NPS, "survey_id": name}, **more}  # fmt: skip


def customers(name: str, columns: dict, **more: object) -> dict:
    return {"name": name, "entity": "customers", "files": "customers_*.csv",
            "columns": {"customer_id": "no", **columns},
            "snapshot_at": "customers_%Y%m%d.csv", **more}  # fmt: skip


SETTINGS = {
    "version": 1,
    "as_of": "2026-03-31",
    "timezone": "Europe/Brussels",
    "min_group_size": 1,
    "churn_windows": [30],
    "sources": [
        # no CRM: people are their addresses, or their addresses are their ids
        survey("poll", {"email": "mail"}),
        survey("form", {"response_id": ["at", "mail"], "customer_id": "mail"}),
        # ids that pandas and a spreadsheet wrote
        survey("crude", {"customer_id": "who"}, customer_source="shop", min_match_rate=0.9),
        survey("tidy", {"customer_id": "who"}, customer_source="shop",
               normalise={"customer_id": "zero_padded_6"}),
        customers("shop", {}),
        # a status without a date
        survey("ask", {"customer_id": "who"}, customer_source="gym"),
        customers("gym", {}, churned={"column": "status", "values": ["Churn"]}),
        survey("once", {"customer_id": "who"}, customer_source="club"),
        customers("club", {}, churned={"column": "status", "values": ["left"]}),
    ],
}  # fmt: skip
FIRST = {
    "poll/answers.csv": """id,mail,at,score
1,Ann@Example.com,2026-01-05T10:00:00,2
2, ann@example.com ,2026-01-12T10:00:00Z,2
3,ann@example.com,2026-01-20T10:00:00Z,9
4,bob@example.com,2026-01-20T10:00:00Z,9
5,,2026-01-21T10:00:00Z,9
""",
    "form/answers.csv": """mail,at,score
Cy@Example.com,2026-01-05T10:00:00Z,0
cy@example.com,2026-01-06T10:00:00Z,9
dee@example.com,2026-01-06T10:00:00Z,9
""",
    "crude/answers.csv": "id,who,at,score\n1,1001.0,2026-01-05T10:00:00Z,9\n2,1002.0,2026-01-05T10:00:00Z,9\n",
    "tidy/answers.csv": "id,who,at,score\n1,1001.0,2026-01-05T10:00:00Z,9\n2,1002,2026-01-05T10:00:00Z,9\n"
    "3,777,2026-01-05T10:00:00Z,9\n",
    "shop/customers_20260101.csv": "no\n001001\n001002\n",
    # stays, leaves and gone answer before and after the first snapshot
    "ask/answers.csv": "id,who,at,score\n"
    + "".join(
        f"{who}-{month},{who},2026-{month}-15T10:00:00Z,9\n"
        for who in ("stays", "leaves", "gone")
        for month in ("01", "02")
    ),
    "gym/customers_20260201.csv": "no,status\nstays,Active\nleaves, active\ngone,Churn\n",
    "once/answers.csv": "id,who,at,score\n1,a,2026-01-05T10:00:00Z,9\n2,b,2026-01-05T10:00:00Z,9\n",
    "club/customers_20260201.csv": "no,status\na,here\nb,Left\n",
}
SECOND = {
    "gym/customers_20260301.csv": "no,status\nstays,Active\nleaves,CHURN\ngone,Churn\n",
    "poll/answers_2.csv": "id,mail,at,score\n6,bob@example.com,2026-03-02T10:00:00Z,0\n",
}


TABLES = (*e2e.FACTS, "fct_nps_by_segment_period", "fct_nps_churn", "nps_outcomes_by_class")


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """The workspace after its first run, as a copy; after its second; and all built at once."""
    import shutil

    grown = e2e.declare(tmp_path_factory.mktemp("grown"), SETTINGS)
    for name, text in FIRST.items():
        e2e.deliver(grown, name, text)
    e2e.build(grown)
    first = tmp_path_factory.mktemp("first") / "workspace"
    shutil.copytree(grown, first, symlinks=True)
    whole = e2e.declare(tmp_path_factory.mktemp("whole"), SETTINGS)
    for name, text in {**FIRST, **SECOND}.items():
        e2e.deliver(whole, name, text)
    for name, text in SECOND.items():
        e2e.deliver(grown, name, text)
    e2e.build(grown, only=TABLES)
    e2e.build(whole, only=TABLES)
    return {"first": first, "grown": grown, "whole": whole}


def test_a_batch_is_a_full_build(roots):
    """But for what was published before: one of the workspaces has published twice."""
    grown, whole = (e2e.tables_of(roots[name]) for name in ("grown", "whole"))
    differing = {name for name in whole if grown[name] != whole[name]}
    assert differing == {"marts.nps_restatements"}


def test_an_address_is_one_voice(roots):
    """In January ann's latest 9, bob's 9 and one unknown 9: 3 voices of 5 answers."""
    rows = e2e.marts(
        roots["first"],
        "select count(*), count(distinct voice_key), count(customer_key) "
        "from marts.fct_nps_responses where source = 'poll'",
    )
    assert rows == [(5, 3, 0)]
    found = e2e.marts(
        roots["first"],
        "select basis, responses, nps from marts.fct_nps_by_segment_period where dimension = "
        "'survey' and segment = 'poll' and time_grain = 'month' order by basis",
    )
    # 100 (3 - 2) / 5 by answers, 100 (3 - 0) / 3 by voices
    assert found == [("customers", 3, 100.0), ("responses", 5, 20.0)]


def test_an_address_may_be_an_id(roots):
    """Cy answered twice, spelt in two ways: one customer, published as a key."""
    rows = e2e.marts(
        roots["first"],
        "select count(*), count(distinct customer_key), bool_and(response_id = response_key::text) "
        "from marts.fct_nps_responses where source = 'form'",
    )
    assert rows == [(3, 2, True)]
    ids = e2e.marts(
        roots["first"],
        "select customer_id = customer_key::text from marts.dim_customers where source = 'form'",
    )
    assert ids == [(True,)] * 2


def test_nobody_can_compute_the_hash_of_an_address(roots):
    keys = {
        str(key).replace("-", "")
        for row in e2e.marts(
            roots["first"], "select voice_key, customer_key from marts.fct_nps_responses"
        )
        for key in row
    }
    for who in ("ann", "bob", "cy", "dee"):
        address = f"{who}@example.com"
        plain = {hashlib.md5(f"{source}{address}".encode()).hexdigest()
                 for source in ("", "form|", "poll|")}  # fmt: skip
        assert not keys & plain
    # but whoever has the key can
    key = hashlib.sha256(b"of the tests").hexdigest()
    inner = hashlib.md5(f"{key[:32]}ann@example.com".encode()).hexdigest()
    assert hashlib.md5(f"{key[32:]}{inner}".encode()).hexdigest() in keys


def test_the_rate_of_known_ids(roots):
    rows = e2e.marts(
        roots["first"],
        "select source, column_name, has_customers, ids_delivered, ids_known, match_rate, "
        "min_match_rate from marts.ingest_match_rates order by source, column_name",
    )
    assert rows == [
        ("ask", "customer_id", True, 3, 3, 1.0, None),
        ("crude", "customer_id", True, 2, 0, 0.0, 0.9),
        ("form", "customer_id", False, 2, None, None, None),
        ("once", "customer_id", True, 2, 2, 1.0, None),
        ("poll", "email", False, 2, None, None, None),
        ("tidy", "customer_id", True, 3, 2, pytest.approx(2 / 3), None),
    ]


def test_a_low_rate_warns_with_its_numbers(roots):
    from orchestration.quality import gate
    from orchestration.quality.boundaries import MARTS
    from orchestration.workspace.load import load_workspace

    suites = {"ingest_match_rates": MARTS["ingest_match_rates"]}
    results = gate.check_warehouse(load_workspace(roots["first"]), "marts", suites)
    (failed,) = (result for result in results if not result.success)
    assert (failed.name, failed.severity) == ("match_rate", "warning")
    assert failed.where == (
        "crude/survey_responses: customer_id, 0 of 2 known to shop: 2 unknown ids",
    )


def test_the_summary_says_what_was_assumed_and_found(roots):
    from orchestration.report.summary import RunFacts, build_summary
    from orchestration.workspace.load import load_workspace

    text = " ".join(build_summary(load_workspace(roots["first"]), RunFacts()).split())
    assert "crude/survey_responses: 0 of 2 customer ids are known to shop" in text
    assert "tidy/survey_responses: 2 of 3 customer ids are known to shop" in text
    assert (
        "form/survey_responses: 2 customer ids of form, of whom no customers are delivered" in text
    )
    assert "taken for Europe/Brussels, the workspace's zone, of poll/survey_responses;" in text
    # of gym gone, of club b; all five are seen once
    assert "2 of 5 customers are known by their status alone to have left" in text


def test_a_status_of_one_snapshot_has_no_date(roots):
    rows = e2e.marts(
        roots["first"],
        "select customer_id, is_active, churned_at, has_churn_information from marts.dim_customers "
        "where source in ('gym', 'club') order by 1",
    )
    assert rows == [
        ("a", True, None, False),
        ("b", False, None, False),
        ("gone", False, None, False),
        ("leaves", True, None, False),
        ("stays", True, None, False),
    ]
    assert e2e.marts(
        roots["first"], "select sum(observed)::int from marts.nps_outcomes_by_class"
    ) in ([(0,)], [(None,)])


def test_the_second_snapshot_dates_it(roots):
    """Leaves left by 1 March in Brussels; of gone nobody knows when."""
    rows = e2e.marts(
        roots["grown"],
        "select customer_id, is_active, churned_at::text, has_churn_information "
        "from marts.dim_customers where source = 'gym' order by 1",
    )
    assert rows == [
        ("gone", False, None, False),
        ("leaves", False, "2026-02-28 23:00:00", True),
        ("stays", True, None, True),
    ]
    churn = e2e.marts(
        roots["grown"],
        "select r.response_id, c.has_churn_information, c.days_to_churn "
        "from marts.fct_nps_churn as c inner join marts.fct_nps_responses as r "
        "using (response_key) where r.source = 'ask' order by 1",
    )
    # from 15 February to 1 March are 14 days; January is before the first snapshot
    assert churn == [
        ("gone-01", False, None),
        ("gone-02", False, None),
        ("leaves-01", False, None),
        ("leaves-02", True, 14),
        ("stays-01", False, None),
        ("stays-02", True, None),
    ]
    observed = e2e.marts(
        roots["grown"],
        "select observed, churned from marts.nps_outcomes_by_class where basis = 'responses' "
        "and nps_class = 'promoter' and dimension = 'all' and window_days = 30",
    )
    # 30 days after 15 February are over at the end of March: one of two has left
    assert observed == [(2, 1)]


def test_a_second_answer_changes_the_voice_and_not_the_person(roots):
    """In March bob says 0: by voices of all time ann 9, the unknown 9, bob 0."""
    rows = e2e.marts(
        roots["grown"],
        "select responses, promoters, detractors from marts.fct_nps_by_segment_period "
        "where dimension = 'survey' and segment = 'poll' and basis = 'customers' "
        "and time_grain = 'all'",
    )
    assert rows == [(3, 2, 1)]
