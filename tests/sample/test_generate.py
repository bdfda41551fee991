"""The sample's planted truths, recomputed from the delivered files before any warehouse exists."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import sample_landing as landing_of

import sample
from sample import (
    accounts,
    care,
    counter,
    fates,
    journey,
    panel,
    reseller,
    staff,
    truths,
    voices,
    website,
)
from sample.generate import generate

CLASSES = ("promoter", "passive", "detractor")


@pytest.fixture(scope="module")
def landing(tmp_path_factory) -> Path:
    """A generated landing folder."""
    target = tmp_path_factory.mktemp("sample")
    generate(target)
    return target / "landing"


@pytest.fixture(scope="module")
def rows(landing) -> pd.DataFrame:
    return landing_of.answers(landing)


@pytest.fixture(scope="module")
def snapshots(landing) -> pd.DataFrame:
    return landing_of.customers(landing)


@pytest.fixture(scope="module")
def accepted(rows, snapshots) -> pd.DataFrame:
    return landing_of.identified(rows[rows["status"] == "accepted"], snapshots)


@pytest.fixture(scope="module")
def relational(accepted) -> pd.DataFrame:
    frame = accepted[accepted["source"] == "pulse"].copy()
    frame["nps_class"] = frame["points"].astype(int).map(landing_of.CLASSES)
    return frame


@pytest.fixture(scope="module")
def transactional(accepted) -> pd.DataFrame:
    frame = accepted[accepted["source"] == "intercept"].copy()
    frame["nps_class"] = frame["points"].astype(int).map(landing_of.CLASSES)
    return frame


@pytest.fixture(scope="module")
def churn(relational, snapshots) -> pd.DataFrame:
    """Relational answers of CRM customers, with the days until they left."""
    frame = relational[relational["how"].isin(["by_id", "by_email"])].copy()
    left = frame["customer"].map(landing_of.churned_at(snapshots))
    frame["is_at_risk"] = left.isna() | (left > frame["at"])
    frame["days"] = (left.dt.tz_localize(None) - frame["day"]).dt.days
    frame["is_over"] = frame["day"] + pd.Timedelta(days=180) <= landing_of.AS_OF_ON
    return frame


def counted(frame: pd.DataFrame) -> tuple:
    """Counts and NPS of answers, as a Score has them."""
    counts = [int((frame["nps_class"] == name).sum()) for name in CLASSES]
    return (*counts, pytest.approx(100 * (counts[0] - counts[2]) / sum(counts)))


# --- the generator ------------------------------------------------------------------------------


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes(landing, tmp_path):
    generate(tmp_path)
    assert bytes_of(tmp_path) == bytes_of(landing.parent)
    workspace = (Path(sample.__file__).parent / "workspace.yml").read_bytes()
    assert (tmp_path / "workspace.yml").read_bytes() == workspace


def test_another_seed_fills_the_same_quotas(landing, tmp_path):
    generate(tmp_path, seed=7)
    others = landing_of.answers(tmp_path / "landing", ["pulse"])
    snapshots = landing_of.customers(tmp_path / "landing")
    assert bytes_of(tmp_path / "landing") != bytes_of(landing)
    found = landing_of.identified(others[others["status"] == "accepted"], snapshots)
    found["nps_class"] = found["points"].astype(int).map(landing_of.CLASSES)
    for region, score in truths.RELATIONAL_BY_REGION.items():
        assert counted(found[found["region"] == region]) == score


def test_delivers_the_files_that_the_truths_name_and_no_others(landing):
    files = (
        fates.FILES | website.FILES | counter.FILES | reseller.FILES | accounts.FILES | staff.FILES
    )
    files |= care.FILES | journey.FILES
    expected = {(source, name) for source, _, name in files}
    other = (truths.QUARANTINED_FILE, truths.REPLAYED_FILE, panel.FILE)
    expected |= {(key[0], key[2]) for key in other}
    assert {(p.parent.name, p.name) for p in landing.rglob("*") if p.is_file()} == expected


def test_addresses_are_of_reserved_domains(landing):
    text = b"".join(p.read_bytes() for p in sorted(landing.rglob("*")) if p.is_file()).decode(
        "utf-8", "replace"
    )
    hosts = set(
        pd.Series([text]).str.extractall(r"@([A-Za-z0-9-]+\.[A-Za-z.]+[a-z])")[0].str.lower()
    )
    assert hosts == {"example.com", "example.org", "example.net"}


# --- arithmetic of the truths themselves --------------------------------------------------------


def test_scores_agree_with_their_counts():
    scores = [
        *(truths.RELATIONAL, *truths.RELATIONAL_BY_REGION.values()),
        *(*truths.RELATIONAL_BY_PLAN.values(), *truths.RELATIONAL_BY_YEAR.values()),
        *(*truths.QUARTER_BY_PLAN_BEFORE.values(), *truths.QUARTER_BY_PLAN_AFTER.values()),
        *(truths.QUARTER_BEFORE, truths.QUARTER_AFTER, truths.TRANSACTIONAL),
        *truths.TRANSACTIONAL_BY_TOUCHPOINT.values(),
        *truths.TRANSACTIONAL_BY_YEAR.values(),
    ]
    for score in scores:
        nps = 100 * (score.promoters - score.detractors) / score.responses
        assert score.nps == pytest.approx(nps)


@pytest.mark.parametrize(
    "parts, total",
    [
        (truths.RELATIONAL_BY_REGION.values(), truths.RELATIONAL),
        (truths.RELATIONAL_BY_PLAN.values(), truths.RELATIONAL),
        (truths.RELATIONAL_BY_YEAR.values(), truths.RELATIONAL),
        (truths.QUARTER_BY_PLAN_BEFORE.values(), truths.QUARTER_BEFORE),
        (truths.QUARTER_BY_PLAN_AFTER.values(), truths.QUARTER_AFTER),
        (truths.TRANSACTIONAL_BY_YEAR.values(), truths.TRANSACTIONAL),
        (truths.TRANSACTIONAL_BY_TOUCHPOINT.values(), truths.TRANSACTIONAL),
    ],
)
def test_segments_add_up_to_their_total(parts, total):
    assert tuple(sum(part[i] for part in parts) for i in range(3)) == total[:3]


def test_rows_of_a_file_add_up():
    for fate in fates.FILES.values():
        if fate.delivered is not None:
            assert fate.delivered == sum(fate[1:])
    for key, kinds in truths.BAD_ROWS.items():
        assert fates.FILES[key].quarantined == sum(kinds.values())
    assert sum(fate.quarantined for fate in fates.FILES.values()) == truths.QUARANTINED_ROWS


# --- 1. and 2. relational NPS -------------------------------------------------------------------


def test_relational_total(relational):
    assert counted(relational) == truths.RELATIONAL


@pytest.mark.parametrize("region", truths.RELATIONAL_BY_REGION)
def test_relational_by_region(relational, region):
    here = relational[relational["region"] == region]
    assert counted(here) == truths.RELATIONAL_BY_REGION[region]


@pytest.mark.parametrize("plan", truths.RELATIONAL_BY_PLAN)
def test_only_starter_falls_after_the_price_rise(relational, plan):
    here = relational[relational["plan"] == plan]
    assert counted(here) == truths.RELATIONAL_BY_PLAN[plan]
    quarters = here.groupby(["year", "quarter"])
    assert len(quarters) == truths.QUARTERS_BEFORE + truths.QUARTERS_AFTER
    share = truths.QUARTER_BY_PLAN_AFTER["starter"].responses / truths.QUARTER_AFTER.responses
    assert share * (
        truths.QUARTER_BY_PLAN_AFTER["starter"].nps - truths.QUARTER_BY_PLAN_BEFORE["starter"].nps
    ) == pytest.approx(truths.FALL)
    for number, (_, quarter) in enumerate(quarters):
        is_before = number < truths.QUARTERS_BEFORE
        expected = truths.QUARTER_BY_PLAN_BEFORE if is_before else truths.QUARTER_BY_PLAN_AFTER
        assert counted(quarter) == expected[plan]


@pytest.mark.parametrize("quarter", truths.STARTER_THEMES)
def test_comments_of_the_fall_speak_of_their_themes(relational, quarter):
    """Each of the theme's sentences speaks of nothing else; no other comment has one of them."""
    here = relational[
        (relational["plan"] == "starter")
        & (relational["year"] == 2024 + quarter // 4)
        & (relational["quarter"] == quarter % 4 + 1)
    ]
    comments = here["comment"].str.removesuffix(f" {truths.EMERGING_SENTENCE}")
    for theme, expected in truths.STARTER_THEMES[quarter].items():
        place = voices.THEMES.index(theme)
        said = {c: [by[c][place] for by in voices.SENTENCES.values()] for c in CLASSES}
        found = [
            int((comments.isin(said[name]) & (here["nps_class"] == name)).sum()) for name in CLASSES
        ]
        assert tuple(found) == expected


def test_what_is_new_is_said_by_detractors_of_the_last_quarter(accepted, relational):
    """Each of them once, in English after an English sentence."""
    new = accepted[accepted["comment"].str.contains("kiosk", case=False, na=False)]
    assert set(new["id"]) <= set(relational["id"])
    said = relational[relational["id"].isin(new["id"])]
    assert len(said) == said["customer"].nunique() == truths.EMERGING
    assert set(said["nps_class"]) == {"detractor"}
    assert set(zip(said["year"], said["quarter"], strict=True)) == {(2025, 4)}
    english = {f"{s} {truths.EMERGING_SENTENCE}" for s in voices.SENTENCES["en"]["detractor"]}
    assert set(said["comment"]) <= english


@pytest.mark.parametrize("year", truths.RELATIONAL_BY_YEAR)
def test_relational_by_year_of_the_business_zone(relational, year):
    assert counted(relational[relational["year"] == year]) == truths.RELATIONAL_BY_YEAR[year]
    utc_year = relational["at"].dt.year
    moved = relational[(relational["year"] == 2025) & (utc_year == 2024)]
    assert len(moved) == truths.RELATIONAL_AFTER_MIDNIGHT


# --- 3. churn -----------------------------------------------------------------------------------


@pytest.mark.parametrize("nps_class", CLASSES)
def test_churn_within_180_days(churn, nps_class):
    at_risk = churn[churn["is_at_risk"] & (churn["nps_class"] == nps_class)]
    observed = at_risk[at_risk["is_over"]]
    churned = int((observed["days"] <= truths.CHURN_WINDOW).sum())
    expected = truths.CHURN_180[nps_class]
    assert (len(observed), churned) == expected[:2]
    assert expected.rate == pytest.approx(churned / len(observed))
    censored = at_risk[~at_risk["is_over"]]
    assert len(censored) == truths.CENSORED_180[nps_class]
    assert int(censored["days"].notna().sum()) == truths.CENSORED_BUT_CHURNED[nps_class]


def test_churn_is_days_away_from_every_edge(churn):
    """No definition of a day's edge may change a truth."""
    at_risk = churn[churn["is_at_risk"]]
    assert at_risk["days"].dropna().min() >= 3
    assert not at_risk["days"].between(175, 185).any()
    days_left = (landing_of.AS_OF_ON - at_risk["day"]).dt.days
    assert not days_left.between(178, 182).any()


def test_answers_after_churn(churn):
    assert int((~churn["is_at_risk"]).sum()) == truths.ANSWERS_AFTER_CHURN


def test_churn_of_those_who_did_not_respond(landing, relational, snapshots):
    frame = landing_of.invitations(landing)
    frame = frame[~frame["invitation_id"].isin(relational["invitation"]) & (frame["bounced"] == "")]
    assert (frame["responded"] == "").all()
    left = frame["customer"].map(landing_of.churned_at(snapshots))
    # silence is sure after some days, and all of the customers are still there then
    sure = frame["sent_at"] + pd.Timedelta(days=truths.RESPONSE_DAYS)
    assert (left.isna() | (left > sure)).all()
    sent_on = (
        frame["sent_at"].dt.tz_convert(landing_of.BRUSSELS).dt.tz_localize(None).dt.normalize()
    )
    sure_on = sent_on + pd.Timedelta(days=truths.RESPONSE_DAYS)
    days = (left.dt.tz_localize(None) - sure_on).dt.days
    is_over = sure_on + pd.Timedelta(days=180) <= landing_of.AS_OF_ON
    expected = truths.CHURN_180["no_response"]
    assert (int(is_over.sum()), int((days[is_over] <= 180).sum())) == expected[:2]
    assert expected.rate == expected.churned / expected.observed
    assert int((~is_over).sum()) == truths.CENSORED_180_NO_RESPONSE
    # no definition of a day's edge may change a truth
    assert days.dropna().min() >= 3 and not days.between(175, 185).any()


@pytest.mark.parametrize("year", truths.INVITATIONS)
def test_invitations_by_year(landing, relational, year):
    frame = landing_of.invitations(landing)
    frame = frame[frame["sent_at"].dt.tz_convert(landing_of.BRUSSELS).dt.year == year]
    answered = frame["invitation_id"].isin(relational["invitation"])
    assert ((frame["responded"] != "") == answered).all()
    counts = (len(frame), int((frame["bounced"] != "").sum()), int(answered.sum()))
    assert counts == truths.INVITATIONS[year]


# --- 4. transactional NPS and CSAT --------------------------------------------------------------


def test_transactional(transactional):
    assert counted(transactional) == truths.TRANSACTIONAL
    for (year, touchpoint), expected in truths.TRANSACTIONAL_BY_TOUCHPOINT.items():
        is_here = (transactional["year"] == year) & (transactional["touchpoint"] == touchpoint)
        assert counted(transactional[is_here]) == expected
    for year, expected in truths.TRANSACTIONAL_BY_YEAR.items():
        assert counted(transactional[transactional["year"] == year]) == expected
    moved = (transactional["year"] == 2025) & (transactional["at"].dt.year == 2024)
    assert int(moved.sum()) == truths.TRANSACTIONAL_AFTER_MIDNIGHT


def test_csat(accepted):
    csat = accepted[accepted["source"] == "helpdesk"]
    for year, expected in {**truths.CSAT_BY_YEAR, None: truths.CSAT}.items():
        points = csat[csat["year"] == year]["points"] if year else csat["points"]
        satisfied = int((points >= 4).sum())
        assert (satisfied, len(points), 100 * satisfied / len(points)) == expected


def test_accepted_answers_and_comments(accepted):
    assert len(accepted) == truths.ACCEPTED_ANSWERS
    with_comment = accepted[accepted["comment"].notna()].groupby("source").size()
    assert with_comment["pulse"] == truths.RELATIONAL_COMMENTS
    assert with_comment["intercept"] == truths.TRANSACTIONAL_COMMENTS


# --- 5. identity --------------------------------------------------------------------------------


@pytest.mark.parametrize("source", truths.IDENTITY)
def test_identity(accepted, source):
    here = accepted[accepted["source"] == source]
    expected = truths.IDENTITY[source]
    assert {how: int((here["how"] == how).sum()) for how in expected} == expected
    unknown_id = (here["how"] == "by_email") & here["person"].notna()
    assert int(unknown_id.sum()) == truths.BY_EMAIL_DESPITE_UNKNOWN_ID[source]


def test_customers(accepted, snapshots):
    assert snapshots["customer_no"].nunique() == truths.CRM_CUSTOMERS
    left = landing_of.churned_at(snapshots)
    assert int(left.notna().sum()) == truths.CHURNED_CUSTOMERS
    assert int(left.isna().sum()) == truths.ACTIVE_CRM_CUSTOMERS
    inferred = accepted[accepted["how"] == "inferred"]["customer"].nunique()
    assert inferred == truths.INFERRED_CUSTOMERS + panel.MEMBERS
    holders = snapshots.groupby(snapshots["e_mail"].str.lower())["customer_no"].nunique()
    assert int((holders > 1).sum()) == truths.SHARED_EMAILS
    ever_left = snapshots[snapshots["left_on"] != ""]["customer_no"].unique()
    assert int(left[ever_left].isna().sum()) == truths.RETURNED


def test_history_of_segments(snapshots):
    ordered = snapshots.sort_values(["customer_no", "valid_from"])
    same = ordered.groupby("customer_no")[["region", "plan"]].shift()
    is_change = (ordered[["region", "plan"]] != same).any(axis=1)
    assert int(is_change.sum()) == truths.CUSTOMER_HISTORY_ROWS


def test_own_region_wins(relational):
    named = relational[relational["own_region"].notna()]
    differing = named[named["own_region"] != named["crm_region"]]
    assert (len(named), len(differing)) == truths.PULSE_OWN_REGION


@pytest.mark.parametrize("planted", truths.PLANTED_ANSWERS, ids=lambda p: p.response_id)
def test_segments_as_of_the_answer(relational, planted):
    row = relational.set_index("id").loc[planted.response_id]
    local = row["at"].tz_convert(landing_of.BRUSSELS).strftime("%Y-%m-%dT%H:%M")
    found = (row["customer"], local, row["points"], row["region"], row["plan"])
    assert found == planted[1:]


# --- 6. money -----------------------------------------------------------------------------------


def test_realised_revenue(landing):
    paths = ("crm/invoices_2024.csv", "crm/invoices_2025.csv")
    frame = pd.concat([landing_of.table(landing, path) for path in paths]).drop_duplicates()
    frame = frame[(frame["invoice_no"] != "") & frame["currency"].isin(["EUR", ""])]
    frame = frame[frame["amount"].str.fullmatch(r"-?\d+\.\d\d") & (frame["day"] <= "2025-12-31")]
    assert frame["invoice_no"].is_unique
    cents = (frame["amount"].astype(float) * 100).round().astype(int)
    assert int(cents.sum()) == truths.REALISED_REVENUE_CENTS
    kinds = frame.groupby("kind").size()
    assert kinds["one_off"] == truths.PROJECT_INVOICES
    assert kinds["refund"] == truths.REFUNDS
    one_off = cents[frame["kind"] == "one_off"]
    assert one_off.between(500_000, 2_500_000).all()  # plausible, whatever the seed left over


def test_mrr_by_plan_and_its_movements(landing, snapshots):
    frame = landing_of.table(landing, "crm/subscriptions_20251231.csv")
    frame = frame[frame["start"] != "soon"]
    frame["fee"] = frame["fee"].astype(float)
    active = frame[frame["end"] == ""]
    assert active["customer_no"].is_unique
    assert active.groupby("plan")["fee"].sum().to_dict() == truths.MRR_BY_PLAN
    assert active["fee"].sum() == truths.MRR == sum(truths.MRR_BY_PLAN.values())
    counts = {plan: sum(pair) for plan, pair in truths.ACTIVE_BY_PLAN.items()}
    assert active.groupby("plan").size().to_dict() == counts
    now = snapshots[snapshots["file"] == "customers_20251231.csv"].set_index("customer_no")
    assert set(active["customer_no"]) == set(now.index[now["left_on"] == ""])
    assert (active["plan"] == active["customer_no"].map(now["plan"])).all()

    moves = landing_of.table(landing, "crm/mrr_movements.csv")
    moves = moves[(moves["kind"] != "upsell") & (moves["amount"] != "1O.00")]
    assert set(moves["kind"]) == {"new", "expansion", "contraction", "churn", "reactivation"}
    assert not moves.duplicated(["customer_no", "day", "kind", "amount"]).any()
    moves["amount"] = moves["amount"].astype(float)
    total = moves.groupby("customer_no")["amount"].sum()
    pd.testing.assert_series_equal(
        total[total != 0], active.set_index("customer_no")["fee"].sort_index(), check_names=False
    )
    assert int((moves["kind"] == "reactivation").sum()) == truths.RETURNED
    started = pd.to_datetime(active["start"], format="%Y-%m-%d")
    assert (started <= landing_of.AS_OF_ON).all()


def test_the_end_of_the_last_subscription_is_the_churn(landing, snapshots):
    frame = landing_of.table(landing, "crm/subscriptions_20251231.csv")
    last = frame[frame["start"] != "soon"].sort_values("start").groupby("customer_no").last()
    ended = pd.to_datetime(last["end"].replace("", None), format="%Y-%m-%d")
    left = landing_of.churned_at(snapshots).dt.tz_localize(None)
    pd.testing.assert_series_equal(ended, left.sort_index(), check_names=False, check_dtype=False)


def test_silent_customers_pay_less_and_referrals_convert(landing, relational):
    active = landing_of.table(landing, "crm/subscriptions_20251231.csv")
    active = active[(active["end"] == "") & (active["start"] != "soon")]
    speaks = active["customer_no"].isin(relational["customer"])
    fee = active["fee"].astype(float)
    for plan, (answering, silent) in truths.ACTIVE_BY_PLAN.items():
        here = active["plan"] == plan
        dear, cheap = fee[here].max(), fee[here].min()
        assert (int((fee[here] == dear).sum()), int((fee[here] == cheap).sum())) == (
            answering,
            silent,
        )
        assert (fee[here & speaks] == dear).all()
    referrals = landing_of.table(landing, "crm/referrals.csv")
    converted = referrals[referrals["new_customer"] != ""]
    assert len(referrals) == truths.REFERRALS
    by_year = converted["converted"].str[:4].astype(int).value_counts().to_dict()
    assert by_year == truths.REFERRED_SIGN_UPS
    assert converted["new_customer"].is_unique
    assert not referrals.loc[:, ["day"]].gt("2025-12-31").any().any()


# --- 7. whether it is real and what it is worth --------------------------------------------------


def test_rate_and_mix_of_the_touchpoints(transactional):
    """From the answers: sums over touchpoints of mean share x change of score, and the reverse."""
    points = transactional["nps_class"].map({"promoter": 100, "passive": 0, "detractor": -100})
    answers = transactional.assign(contribution=points)
    cells = answers.groupby(["year", "touchpoint"])["contribution"].agg(["size", "mean"])
    before, after = cells.loc[2024], cells.loc[2025]
    shares = [cell["size"] / cell["size"].sum() for cell in (before, after)]
    rate = ((shares[0] + shares[1]) / 2 * (after["mean"] - before["mean"])).sum()
    mix = ((before["mean"] + after["mean"]) / 2 * (shares[1] - shares[0])).sum()
    assert (rate, mix) == pytest.approx((truths.TRANSACTIONAL_RATE, truths.TRANSACTIONAL_MIX))
    means = answers.groupby("year")["contribution"].mean()
    assert rate + mix == pytest.approx(means[2025] - means[2024])


def test_everybody_but_the_north(relational):
    assert counted(relational[relational["region"] != "north"]) == truths.RELATIONAL_BUT_NORTH
    promoters, converted, lacking = truths.NORTH_TO_50
    north = truths.RELATIONAL_BY_REGION["north"]
    gain = north.promoters - north.detractors
    assert 2 * (gain + promoters) == north.responses + promoters
    assert 2 * (gain + 2 * converted) == north.responses
    assert north.promoters + lacking == 5 * north.detractors


def test_churn_of_those_who_were_asked(landing, relational, snapshots):
    """By sending: neither who had left before nor who was asked after mid 2025 is observed."""
    frame = landing_of.invitations(landing)
    answered = frame[frame["invitation_id"].isin(relational["invitation"])]
    sent = answered["sent_at"].dt.tz_convert(landing_of.BRUSSELS).dt.tz_localize(None)
    sent_on = sent.dt.normalize()
    left = answered["customer"].map(landing_of.churned_at(snapshots)).dt.tz_localize(None)
    days = (left - sent_on).dt.days
    is_over = sent_on + pd.Timedelta(days=180) <= landing_of.AS_OF_ON
    assert not (days <= 0).any()
    found = (int(is_over.sum()), int((days[is_over] <= 180).sum()))
    assert found == truths.ASKED_CHURN_180["answered"][:2]


# --- 8. and 9. rows that are not accepted -------------------------------------------------------

ANSWER_FILES = [key for key in fates.FILES if key[1] == "survey_responses"]


@pytest.mark.parametrize("key", ANSWER_FILES, ids=lambda key: key[2])
def test_what_becomes_of_an_answer_file(rows, key):
    here = rows[(rows["source"] == key[0]) & (rows["file"] == key[2])]
    statuses = ("accepted", "quarantined", "duplicate", "superseded", "deleted")
    counts = [int((here["status"] == status).sum()) for status in statuses]
    assert (len(here), *counts) == fates.FILES[key]
    expected: dict[str, int] = {}
    for kind, count in truths.BAD_ROWS[key].items():
        reason = truths.REASON_OF_KIND[kind]
        expected[reason] = expected.get(reason, 0) + count
    found = here[here["status"] == "quarantined"]["reason"].value_counts().to_dict()
    assert found == expected


def _bad_rows_of_others(landing: Path) -> dict[str, int]:
    """Reasons of quarantined rows outside the answers, each by its own plain rule."""
    found = dict.fromkeys(truths.QUARANTINED_BY_REASON, 0)
    for path in sorted((landing / "crm").glob("customers_*.csv")):
        for line in path.read_text("utf-8").splitlines()[1:]:
            cells = line.split(",")
            found["wrong_width"] += len(cells) != 10
            found["missing_id"] += not cells[0]
    subscriptions = landing_of.table(landing, "crm/subscriptions_20251231.csv")
    is_day = r"\d{4}-\d\d-\d\d"
    found["bad_timestamp"] += int((~subscriptions["start"].str.fullmatch(is_day)).sum())
    moves = landing_of.table(landing, "crm/mrr_movements.csv")
    known = ["new", "expansion", "contraction", "churn", "reactivation"]
    found["bad_value"] += int((~moves["kind"].isin(known)).sum())
    found["bad_number"] += int((~moves["amount"].str.fullmatch(r"-?\d+\.\d\d")).sum())
    for year in (2024, 2025):
        frame = landing_of.table(landing, f"crm/invoices_{year}.csv")
        found["unknown_currency"] += int((~frame["currency"].isin(["EUR", ""])).sum())
        found["bad_number"] += int((~frame["amount"].str.fullmatch(r"-?\d+\.\d\d")).sum())
        found["missing_id"] += int((frame["invoice_no"] == "").sum())
        found["future"] += int((frame["day"] > "2025-12-31").sum())
        twice = fates.INVOICE_DUPLICATES[f"invoices_{year}.csv"]
        named = frame[frame["invoice_no"] != ""]
        assert int(named.duplicated().sum()) == twice == int(named["invoice_no"].duplicated().sum())
        sent = landing_of.table(landing, f"pulse/invitations_{year}.csv")
        found["missing_id"] += int((sent["invitation_id"] == "").sum())
        found["bad_timestamp"] += int((~sent["sent"].str.startswith("20")).sum())
    usage = landing_of.table(landing, "crm/usage_2025h2.csv")
    found["bad_number"] += int((~usage["times"].str.fullmatch(r"\d+")).sum())
    assert not usage.duplicated(["customer_no", "day", "feature"]).any()
    tickets = landing_of.table(landing, "helpdesk/tickets.csv")
    found["missing_id"] += int((tickets["ticket"] == "").sum())
    found["missing_required"] += int((tickets["customer"] == "").sum())
    return found


def test_quarantined_by_reason(rows, landing):
    found = _bad_rows_of_others(landing)
    for reason, count in rows["reason"].dropna().value_counts().items():
        found[reason] += int(count)
    assert found == truths.QUARANTINED_BY_REASON
    assert sum(found.values()) == truths.QUARANTINED_ROWS
    delivered = sum(path.read_bytes().count(b"\n") for path in landing.rglob("*") if path.is_file())
    assert truths.QUARANTINED_ROWS / delivered < 0.02


@pytest.mark.parametrize(
    "key",
    [key for key in fates.FILES if key[1] not in ("survey_responses", "surveys")],
    ids=lambda key: key[2],
)
def test_delivered_rows(landing, key):
    fate = fates.FILES[key]
    path = landing / key[0] / key[2]
    delivered = len(path.read_text("utf-8").splitlines()) - 1
    if fate.delivered is None:
        assert delivered > 1000
    else:
        assert delivered == fate.delivered


def test_normalised_scores(accepted):
    for source, expected in truths.NORMALISED_SCORES.items():
        here = accepted[accepted["source"] == source]
        assert {text: int((here["score"] == text).sum()) for text in expected} == expected
        assert (here[here["score"].isin(expected)]["points"] == 9).all()


def test_times_that_happened_twice(accepted):
    at = accepted[accepted["time"] == "26/10/2025 02:30"]["at"]
    assert len(at) == truths.AMBIGUOUS_LOCAL_TIMES
    assert (at == pd.Timestamp("2025-10-26T00:30", tz="UTC")).all()  # the earlier one


def test_whole_files(landing):
    page = (landing / truths.QUARANTINED_FILE[0] / truths.QUARANTINED_FILE[2]).read_bytes()
    assert page.startswith(b"<!DOCTYPE html>")
    assert b"\n" not in page
    folder = landing / truths.REPLAYED_FILE[0]
    replayed = (folder / truths.REPLAYED_FILE[2]).read_bytes()
    assert replayed == (folder / truths.REPLAYED_FILE_ORIGINAL).read_bytes()
    for (source, _, name), count in truths.BLANK_LINES.items():
        lines = (landing / source / name).read_text("utf-8").split("\n")[:-1]
        assert sum(not line for line in lines) == count
    for name in truths.DRIFTED_FILES:
        header = (landing / "intercept" / name).read_text("utf-8").split("\n")[0]
        assert header.endswith("ref;device")
