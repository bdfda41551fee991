"""Accounts in the published sample: loud contacts, decision makers, silence."""

from __future__ import annotations

from datetime import date

import pytest
from sample_support import rows

from sample import accounts

REVIEW = f"metric = 'nps' and survey_type = '{accounts.SURVEY_TYPE}'"


def test_ten_contacts_of_one_account_do_not_outweigh_ten_accounts(tables):
    """0 by contact, +82 by account, +50 by revenue: three readings of the same twenty answers."""
    found = rows(
        tables,
        "select basis, accounts, promoters, passives, detractors, nps "
        f"from marts.account_nps_by_period where {REVIEW} and time_grain = 'year' "
        "and period_start = date '2025-01-01'",
    )
    counts = (11, *accounts.BY_CONTACT[:3])
    scores = {
        "customers": accounts.BY_CONTACT.nps,
        "accounts": accounts.BY_ACCOUNT,
        "revenue": accounts.BY_REVENUE,
    }
    assert {basis: tuple(row) for basis, *row in found} == {
        basis: (*counts, pytest.approx(score, abs=1e-9)) for basis, score in scores.items()
    }


def test_the_loud_account_lost_its_owner_from_sight(tables):
    """Ten users are detractors; the owner promoted a year before and was not asked again."""
    (found,) = rows(
        tables,
        "select arr, responses, nps, previous_nps, nps_change, decision_maker_responses, "
        "decision_maker_nps, respondent_contribution, account_contribution, revenue_contribution, "
        f"is_silent from marts.account_nps where {REVIEW} and account_id = '{accounts.LOUD}'",
    )
    # of 20 answers 10 are against us: -50 points; of 11 accounts one; of 4 million one
    assert found == (
        1e6, 10, -100, accounts.LOUD_A_YEAR_BEFORE, -200, 0, None,
        pytest.approx(-50), pytest.approx(-100 / 11), pytest.approx(-25), False,
    )  # fmt: skip
    by_role = rows(
        tables,
        "select role, decides, responses, nps, last_responded_on, last_nps_class "
        "from marts.account_nps_by_role inner join (select distinct account_key, account_id "
        f"from marts.account_nps) using (account_key) where {REVIEW} "
        f"and account_id = '{accounts.LOUD}' order by role",
    )
    (_, owner_decides, *owner), (_, user_decides, *user) = by_role
    assert (owner_decides, user_decides) == (True, False)
    assert owner[:2] == [1, 100] and owner[2] < date(2024, 12, 1) and owner[3] == "promoter"
    assert user[:2] == [10, -100] and user[2] >= date(2025, 11, 1) and user[3] == "detractor"


def test_decision_makers_and_silent_accounts(tables):
    ((deciding, nps),) = rows(
        tables,
        "select sum(decision_maker_responses), avg(decision_maker_nps) from marts.account_nps "
        f"where {REVIEW}",
    )
    assert (deciding, nps) == (accounts.DECISION_MAKERS, 100)
    silent = dict(
        rows(
            tables,
            f"select account_id, arr from marts.account_nps where {REVIEW} and is_silent "
            "and customers > 0 and account_id like 'K%'",
        )
    )
    assert silent == {name: accounts.YEARLY_VALUES[name] for name in accounts.SILENT}


def test_what_accounts_contribute_adds_up_to_the_scores(tables):
    """All answers of the survey's last 365 days are those of its year 2025."""
    (found,) = rows(
        tables,
        "select sum(respondent_contribution), sum(account_contribution), "
        f"sum(revenue_contribution) from marts.account_nps where {REVIEW}",
    )
    assert found == pytest.approx((0, accounts.BY_ACCOUNT, accounts.BY_REVENUE), abs=1e-9)


def test_the_next_renewal_is_that_of_a_running_subscription(tables):
    found = rows(
        tables,
        "select count(*) from marts.account_nps where renews_on is not null and is_active "
        "union all select count(*) from marts.account_nps where renews_on <= date '2025-12-31'",
    )
    assert found[0][0] > 0 and found[1] == (0,)
