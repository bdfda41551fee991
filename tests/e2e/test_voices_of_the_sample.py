"""What the sample's customers had said by each month end: planted answers, themes and accounts."""

from __future__ import annotations

import pandas as pd
import pytest
from sample_support import AS_OF, RELATIONAL, rows

from sample import accounts, truths


def test_a_planted_customer_improves_on_the_day_of_its_answer(tables):
    """C00043 is a passive in October 2024 (score 7) and promotes on 18 February 2025 (score 10)."""
    before, after = (p for p in truths.PLANTED_ANSWERS if p.customer_id == "C00043")
    assert (before.score, after.score, after.answered_at[:10]) == (7, 10, "2025-02-18")
    found = rows(
        tables,
        "select as_of_on::varchar, headline_class, previous_headline_class, headline_direction "
        "from marts.customer_voice_features inner join marts.dim_customers using (customer_key) "
        "where customer_id = 'C00043' and as_of_on in ('2025-01-31', '2025-02-28') order by 1",
    )
    (day, first, *_), later = found
    assert (day, first) == ("2025-01-31", "passive")
    assert later == ("2025-02-28", "promoter", "passive", "improved")


def test_csat_is_the_customers_latest_answer(tables):
    """Of those whose latest csat is of 2025: exactly the customers whom the answers name."""
    given = tables.execute(
        "select customer_key::varchar as customer_key, responded_on, responded_at, nps_class, "
        "length(response_id) as length, response_id from marts.fct_nps_responses "
        f"where metric = 'csat' and customer_key is not null and responded_on > {AS_OF} - 365"
    ).df()
    latest = given.sort_values(["responded_at", "length", "response_id"])
    latest = latest.groupby("customer_key").last()
    found = tables.execute(
        "select customer_key::varchar as customer_key, class_csat, days_since_csat "
        f"from marts.customer_voice_features where as_of_on = {AS_OF} and class_csat is not null"
    ).df()
    found = found.set_index("customer_key").sort_index()
    assert len(found) > 500
    assert found["class_csat"].to_dict() == latest["nps_class"].to_dict()
    days = (pd.Timestamp("2025-12-31") - latest["responded_on"]).dt.days
    assert (found["days_since_csat"] == days).all()


@pytest.mark.parametrize("theme", ["price", "support"])
def test_detractors_of_the_fall_name_a_theme(tables, theme):
    """As many customers as were planted, on the last day; and nobody named it with no row."""
    (found,) = rows(
        tables,
        f"""
        with named as (
            select distinct f.customer_key
            from marts.fct_nps_responses as f
            inner join private.restricted.response_themes as t using (response_key)
            where {RELATIONAL} and f.plan = 'starter' and f.contribution = -100
                and f.responded_on >= date '{truths.PRICE_RISE_ON}' and t.theme = '{theme}'
                and t.method = 'lexicon'
        )

        select count(*), count(*) filter (detractor_themes_365d >= 1 and themes_365d >= 1)
        from named left join marts.customer_voice_features as v
            on named.customer_key = v.customer_key and v.as_of_on = {AS_OF}
        """,
    )
    planted = truths.STARTER_THEMES[7][theme][2]
    assert found == (planted, planted)


def test_contacts_hear_the_others_of_their_account(tables):
    """Of the loud account's ten users each sees what the others said to the headline, not its own."""
    said = tables.execute(
        "select customer_key::varchar as customer_key, contribution, responded_at "
        "from marts.fct_nps_responses inner join (select distinct account_key from "
        f"marts.account_nps where account_id = '{accounts.LOUD}') using (account_key) "
        f"where {RELATIONAL} and responded_on > {AS_OF} - 365"
    ).df()
    said = said.sort_values("responded_at").groupby("customer_key")["contribution"].last()
    found = rows(
        tables,
        "select v.customer_key::varchar, other_voices_365d, other_voices_nps "
        "from marts.customer_voice_features as v inner join (select distinct account_key from "
        f"marts.account_nps where account_id = '{accounts.LOUD}') using (account_key) "
        f"where as_of_on = {AS_OF}",
    )
    contacts = [
        name for name, (account, _) in accounts.CONTACTS.items() if account == accounts.LOUD
    ]
    assert 10 <= len(found) <= len(contacts)
    for customer, voices, nps in found:
        others = said.drop(customer, errors="ignore")
        assert voices == len(others)
        assert nps == (pytest.approx(others.mean(), abs=1e-9) if len(others) else None)


def test_joined_to_the_features_it_adds_no_row(tables):
    """The query of the documentation: a row of both tables is the same customer and day."""
    ((features, joined, silent),) = rows(
        tables,
        """
        select
            (select count(*) from marts.customer_nps_features), count(*),
            count(*) filter (v.customer_key is null)
        from marts.customer_nps_features as f
        left join marts.customer_voice_features as v
            on f.customer_key = v.customer_key and f.as_of_on = v.as_of_on
        """,
    )
    ((own,),) = rows(tables, "select count(*) from marts.customer_voice_features")
    assert features == joined and own == features - silent and silent > 0
