"""What is true of the sample, whatever computes it.

These are the generator's inputs, not its results: every figure is a quota that the generator fills
exactly, for any seed; chance decides only who fills it. ``tests/sample`` proves each truth from the
delivered files with pandas alone.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

UNKNOWN = "(unknown)"


class Score(NamedTuple):
    """Counts of answers by class, and the NPS that follows from them."""

    promoters: int
    passives: int
    detractors: int
    nps: float

    @property
    def responses(self) -> int:
        """The number of answers."""
        return self.promoters + self.passives + self.detractors


class Churn(NamedTuple):
    """Anchors whose 180 days are over, those that churned within them, and the share."""

    observed: int
    churned: int
    rate: float


class Fate(NamedTuple):
    """What becomes of a file's rows; ``None`` where the number depends on the seed.

    ``delivered = accepted + quarantined + duplicate + superseded + deleted + excluded``; the
    sample excludes nothing.
    """

    delivered: int | None
    accepted: int | None
    quarantined: int = 0
    duplicate: int = 0
    superseded: int = 0
    deleted: int = 0


# --- 1. relational NPS (source pulse, survey_type relational, basis responses) ------------------

RELATIONAL = Score(3472, 1336, 1192, 38.0)  # 100 (3472 - 1192) / 6000
RELATIONAL_BY_REGION = {
    "north": Score(600, 200, 200, 40.0),  # 1,000 answers; adjusted Wald [34.93, 44.83]
    "south": Score(462, 176, 362, 10.0),  # 1,000 answers; adjusted Wald [4.38967, 15.55051]
    "east": Score(1680, 480, 240, 60.0),  # 70 % - 10 %
    "west": Score(630, 420, 350, 20.0),  # 45 % - 25 %
    UNKNOWN: Score(100, 60, 40, 30.0),  # 96 without a CRM customer, 104 whose CRM names no region
}

# --- 2. the price rise: plan starter, from 2025-10-01, the last quarter -------------------------
# In every quarter the same counts, so that months are free and quarters, halves, years are exact.

PRICE_RISE_ON = "2025-10-01"
QUARTERS_BEFORE, QUARTERS_AFTER = 7, 1
QUARTER_BY_PLAN_BEFORE = {
    "starter": Score(100, 60, 40, 30.0),  # 200 answers a quarter
    "growth": Score(166, 64, 58, 37.5),  # 288: 108 / 288
    "enterprise": Score(172, 45, 33, 55.6),  # 250: 139 / 250
    UNKNOWN: Score(6, 3, 3, 25.0),  # 12: no CRM customer, so neither plan nor region
}
QUARTER_BY_PLAN_AFTER = {
    **QUARTER_BY_PLAN_BEFORE,
    "starter": Score(20, 20, 160, -70.0),  # the fall: 100 points
}
QUARTER_BEFORE = Score(444, 172, 134, 310 / 7.5)  # 750 answers: 41.33
QUARTER_AFTER = Score(364, 132, 254, 110 / 7.5)  # 750 answers: 14.67
RELATIONAL_BY_PLAN = {
    "starter": Score(720, 440, 440, 17.5),  # 7 x (100, 60, 40) + (20, 20, 160); 280 / 16
    "growth": Score(1328, 512, 464, 37.5),  # 8 x (166, 64, 58)
    "enterprise": Score(1376, 360, 264, 55.6),  # 8 x (172, 45, 33)
    UNKNOWN: Score(48, 24, 24, 25.0),  # 8 x (6, 3, 3)
}
RELATIONAL_BY_YEAR = {
    2024: Score(1776, 688, 536, 124 / 3),  # 4 quarters before: 1240 / 30 = 41.33
    2025: Score(1696, 648, 656, 104 / 3),  # 3 before, 1 after: 1040 / 30 = 34.67
}
# The last quarter against the one before: plans keep their shares, so that all of the change is
# rate and none is mix, and all of it is of starter: 200 / 750 of -100 points.
FALL = QUARTER_AFTER.nps - QUARTER_BEFORE.nps  # -26.67
# Answers at 2025-01-01 00:30 in Brussels, still 2024 in UTC: they belong to 2025.
RELATIONAL_AFTER_MIDNIGHT = 12

# What comments of plan starter say, in the quarter before the fall and in the fall (from 0):
# promoters, passives and detractors that name the theme, each in a comment of one theme.
STARTER_THEMES = {
    6: {"price": (5, 3, 4), "support": (6, 2, 4)},
    7: {"price": (2, 3, 90), "support": (1, 2, 50)},
}
# The starter plan's score without the answers that name the theme, and the impact that follows:
#   price    before 30 - 100 (95 - 36) / 188 = -1.38, in the fall -70 - 100 (18 - 70) / 105 = -20.48
#   support  before 30 - 100 (94 - 36) / 188 = -0.85, in the fall -70 - 100 (19 - 110) / 147 = -8.10
STARTER_IMPACT = {
    "price": (30 - 100 * 59 / 188, -70 + 100 * 52 / 105),
    "support": (30 - 100 * 58 / 188, -70 + 100 * 91 / 147),
}

# So many of the last quarter's detractors who write in English add this sentence, and nobody else
# does: the two words of it that are not among the commonest emerge.
EMERGING = 40
EMERGING_SENTENCE = "The kiosk was unlit."
EMERGING_TERMS = ("kiosk", "unlit")

# Labelled comments of each theme. Some of delivery are labelled product, so the lexicon's precision
# on delivery is 48 / 60, and its recall 1; of product it knows nothing, of price and support all.
LABELLED = {"price": 60, "support": 60, "product": 60, "delivery": 60, "onboarding": 60}
MISREAD_DELIVERIES = 12

# --- 3. churn within 180 days, over relational answers ------------------------------------------
# An answer is at risk if its customer is in the CRM and had not left. Observed: its 180 days are
# over at as_of, which holds for the first six quarters and for neither of the last two.
#   promoters   6 x 444 = 2664 - 36 (6 x 6 without a CRM customer) - 28 after churn = 2600
#   passives    6 x 172 = 1032 - 18                                - 14             = 1000
#   detractors  6 x 134 =  804 - 18                                - 36             =  750

CHURN_WINDOW, RESPONSE_DAYS = 180, 30  # silence counts from 30 days after the sending on
QUARTERS_OBSERVED = 6
CHURN_180 = {
    "promoter": Churn(2600, 104, 0.04),
    "passive": Churn(1000, 100, 0.10),
    "detractor": Churn(750, 225, 0.30),
    "no_response": Churn(4800, 720, 0.15),  # 6 quarters x 800 unanswered invitations
}
# Their window is not over: (444 + 364 - 12 - 8), (172 + 132 - 6 - 6), (134 + 254 - 6 - 8).
CENSORED_180 = {"promoter": 788, "passive": 292, "detractor": 374}  # 1,454 answers
CENSORED_180_NO_RESPONSE = 1604  # 2 x 800, and the 4 that were "answered" before they were sent
# Of the censored, those whose customer is already seen to leave: for curves, not for rates.
CENSORED_BUT_CHURNED = {"promoter": 40, "passive": 20, "detractor": 60}
# How those who leave are spread over plans; this is what makes the MRR below exact.
CHURNED_BY_PLAN = {
    # class: starter, growth, enterprise
    "promoter": {"starter": 34, "growth": 40, "enterprise": 30},
    "passive": {"starter": 40, "growth": 35, "enterprise": 25},
    "detractor": {"starter": 100, "growth": 75, "enterprise": 50},
}
CENSORED_CHURNED_BY_PLAN = {
    "promoter": {"starter": 20, "growth": 13, "enterprise": 7},
    "passive": {"starter": 10, "growth": 7, "enterprise": 3},
    "detractor": {"starter": 30, "growth": 20, "enterprise": 10},
}
SILENT_CHURNED_BY_PLAN = {"starter": 200, "growth": 100, "enterprise": 60}  # two silences each
# Answers given after leaving: in NPS, out of churn. By index of the quarter, none in the first two.
AFTER_CHURN_BY_QUARTER = {
    # quarter: promoters, passives, detractors
    2: (7, 3, 9),
    3: (7, 3, 9),
    4: (7, 4, 9),
    5: (7, 4, 9),
    6: (4, 3, 4),
    7: (4, 3, 4),
}
ANSWERS_AFTER_CHURN = 100  # 36 promoters, 20 passives, 44 detractors

# Invitations to the relational survey, by year of sending (12 answers of 2025 were asked for 2024).
INVITATIONS = {
    # year: sent, bounced, answered; the rest was delivered and stayed unanswered
    2024: (6246, 120, 2926),  # 4 x 750 - 48 - 38 after churn + 12; 3,200 unanswered
    2025: (6202, 120, 2878),  # 4 x 750 - 48 - 62 - 12; 3,204 unanswered
}

# --- 4. transactional NPS and CSAT --------------------------------------------------------------
# Every touchpoint improves by 5 points and the total still falls: support's share grows from 30 %
# to 50 %.

TRANSACTIONAL_BY_TOUCHPOINT = {
    (2024, "purchase"): Score(1950, 600, 450, 50.0),
    (2024, "onboarding"): Score(720, 240, 240, 40.0),
    (2024, "support"): Score(720, 540, 540, 10.0),
    (2025, "purchase"): Score(1200, 390, 210, 55.0),
    (2025, "onboarding"): Score(750, 240, 210, 45.0),
    (2025, "support"): Score(1200, 1050, 750, 15.0),
}
TRANSACTIONAL_BY_YEAR = {
    2024: Score(3390, 1380, 1230, 36.0),  # 2160 / 60
    2025: Score(3150, 1680, 1170, 33.0),  # 1980 / 60
}
TRANSACTIONAL = Score(6540, 3060, 2400, 34.5)  # 4140 / 120
TRANSACTIONAL_AFTER_MIDNIGHT = 10  # at 2025-01-01 00:10 in Brussels

# satisfied (4-5), answers, percent
CSAT_BY_YEAR = {2024: (800, 1000, 80.0), 2025: (760, 1000, 76.0)}
CSAT = (1560, 2000, 78.0)

ACCEPTED_ANSWERS = 20_200  # 6,000 + 12,000 + 2,000, and 200 of the panel
RELATIONAL_COMMENTS = 2700
TRANSACTIONAL_COMMENTS = 3000

# --- 5. identity --------------------------------------------------------------------------------
# by_id: the CRM knows the id. by_email: it doesn't (or there is none), and one customer ever held
# the address. inferred: an unknown id, and no such address. Of nobody: no id, and an address that
# two customers held (ambiguous), or that none did (stranger).

IDENTITY = {
    "pulse": {"by_id": 5604, "by_email": 300, "inferred": 48, "ambiguous": 24, "stranger": 24},
    "intercept": {"by_id": 7000, "by_email": 4880, "inferred": 40, "ambiguous": 60, "stranger": 20},
    "helpdesk": {"by_id": 1900, "by_email": 100, "inferred": 0, "ambiguous": 0, "stranger": 0},
}
BY_EMAIL_DESPITE_UNKNOWN_ID = {"pulse": 20, "intercept": 40, "helpdesk": 0}  # within by_email
CRM_CUSTOMERS = 4000
# pulse names 24 unknown ids (2 answers each), intercept 25, of which 5 are the same.
INFERRED_CUSTOMERS = 44
SHARED_EMAILS = 20  # 15 held by two customers at once, 5 passed on from one to another
CHURNED_CUSTOMERS = 909  # 429 within 180 days of an answer, 120 censored, 360 silent
ACTIVE_CRM_CUSTOMERS = 3091  # 30 of them left and came back
# One row each, and one more for 200 changes of plan and 60 of region.
CUSTOMER_HISTORY_ROWS = 4260
PULSE_OWN_REGION = (300, 50)  # answers that name a region themselves; that differ from the CRM's


class Planted(NamedTuple):
    """An answer with its segments as of the answer."""

    response_id: str
    customer_id: str
    answered_at: str  # local
    score: int
    region: str
    plan: str


PLANTED_ANSWERS = (
    # C00042 changes from starter to growth with the snapshot of 2024-07-01.
    Planted("R-MOVE-1", "C00042", "2024-05-14T09:15", 6, "north", "starter"),
    Planted("R-MOVE-2", "C00042", "2024-11-12T16:40", 9, "north", "growth"),
    # C00043 moves from south to west with the snapshot of 2025-01-01.
    Planted("R-MOVE-3", "C00043", "2024-10-15T11:05", 7, "south", "growth"),
    Planted("R-MOVE-4", "C00043", "2025-02-18T10:20", 10, "west", "growth"),
    # C00044 is in the east for the CRM; the answer itself says north, and wins.
    Planted("R-OWN-1", "C00044", "2025-05-20T14:55", 9, "north", "enterprise"),
)

# --- 6. money (EUR) -----------------------------------------------------------------------------

# Start, by plan and region; an empty region is one that the CRM doesn't know.
CUSTOMERS = {
    "starter": {"north": 260, "south": 260, "east": 540, "west": 360, "": 80},  # 1,500
    "growth": {"north": 260, "south": 260, "east": 540, "west": 360, "": 80},  # 1,500
    "enterprise": {"north": 180, "south": 180, "east": 350, "west": 230, "": 60},  # 1,000
}
# Customers who never answer a relational survey; they pay less.
SILENT_BY_PLAN = {"starter": 700, "growth": 450, "enterprise": 250}  # 1,400
PLAN_CHANGES = {("starter", "growth"): 100, ("growth", "enterprise"): 50, ("growth", "starter"): 50}
REGION_MOVES = 60
RETURNED = 30  # silent starters who paused: churn, then reactivation
SIGNED_UP_BEFORE_2024 = 3000
SIGN_UPS_BY_QUARTER = (150, 150, 150, 150, 200, 200)  # from 2024q1 to 2025q2
REFERRED_SIGN_UPS = {2024: 150, 2025: 150}  # earned, of 600 and of 400 new customers
REFERRALS = 500  # 200 of them led to nobody
MONTHLY_PRICE = {
    # plan: (of those who answer, of the silent), before the price rise
    "starter": (29, 19),
    "growth": (99, 79),
    "enterprise": (490, 390),
}
STARTER_PRICE_AFTER = (39, 25)

# Active customers at as_of = start + changes of plan - churned:
#   starter     1500 - 100 + 50      = 1450 - (174 + 60 + 200) = 1016
#   growth      1500 + 100 - 50 - 50 = 1500 - (150 + 40 + 100) = 1210
#   enterprise  1000 + 50            = 1050 - (105 + 20 + 60)  =  865
# churned: of CHURNED_BY_PLAN, of CENSORED_CHURNED_BY_PLAN, of SILENT_CHURNED_BY_PLAN.
ACTIVE_BY_PLAN = {
    # plan: (answering, silent)
    "starter": (516, 500),  # 750 - (174 + 60), 700 - 200
    "growth": (860, 350),  # 1050 - (150 + 40), 450 - 100
    "enterprise": (675, 190),  # 800 - (105 + 20), 250 - 60
}
MRR_BY_PLAN = {
    "starter": 32_624,  # 516 x 39 + 500 x 25
    "growth": 112_790,  # 860 x 99 + 350 x 79
    "enterprise": 404_850,  # 675 x 490 + 190 x 390
}
MRR = 550_264

# All accepted invoices, in cents. What is recurring depends on when people came and left, so the
# 40 one-off project invoices are what is left to reach the total.
REALISED_REVENUE_CENTS = 1_330_000_000  # 13,300,000.00
PROJECT_INVOICES = 40
REFUNDS = 60
REFUND_CENTS = -2500  # a refund is delivered negative

# --- 7. what follows for the tables of whether it is real and what it is worth -----------

# 2025 against 2024, by touchpoint: every part gains 5, so the rate is 5; the total loses 3, so the
# mix is -8. By hand: mean scores 52.5, 42.5, 12.5 times the shares' changes -0.2, 0, +0.2.
TRANSACTIONAL_RATE, TRANSACTIONAL_MIX = 5.0, -8.0
# The north against everybody else: 100 (3472 - 600 - (1192 - 200)) / 5000
RELATIONAL_BUT_NORTH = Score(2872, 1136, 992, 37.6)
# To bring the north, 600 promoters and 200 detractors of 1,000, to 50: 200 more promoters (600 of
# 1,200), or 50 detractors won over (650 - 150 of 1,000). 400 promoters make up for 200 detractors
# at five to one: it has 600, and lacks 400.
NORTH_TO_50 = (200, 50, 400)
# Churn within 180 days of being asked, of those who answered (2600 + 1000 + 750; 104 + 100 + 225),
# and of those who did not, of their silence being sure.
ASKED_CHURN_180 = {"answered": Churn(4350, 429, 429 / 4350), "silent": Churn(4800, 720, 0.15)}
# New customers of a year, and those of them who were referred.
NEW_CUSTOMERS = {2024: (600, 150), 2025: (400, 150)}
# What a customer pays a year, on average of all who are active: 12 x 550,264 / 3,091.
REVENUE_PER_CUSTOMER = 12 * MRR / ACTIVE_CRM_CUSTOMERS

# Detractors of one plan who answered in 2025 open so many tickets more, so that they cost most.
COSTLY_PLAN, COSTLY_TICKETS = "growth", 400

# Customers with hardly a ticket before who open four in the last weeks before each of these days,
# and how many of each month's stay and leave before the next day: two of five leave, of all one in
# a hundred. Of the last ones nobody knows: they are whom to help now.
_RISING_DAYS = (*(f"2025-{month:02d}-01" for month in range(5, 13)), "2026-01-01", "2026-02-01")
RISING_MONTHS = tuple(pairwise(_RISING_DAYS))
RISING, RISING_TICKETS = (6, 4), 4

# --- 8. rows that are not accepted --------------------------------------------------------------

REASON_OF_KIND = {
    "score 11": "score_out_of_range",
    "score -1": "score_out_of_range",
    "score 0 of 5": "score_out_of_range",
    "score 6 of 5": "score_out_of_range",
    "score 8.5": "score_not_a_whole_number",
    "score 4.5": "score_not_a_whole_number",
    "score N/A": "score_not_a_whole_number",
    "score 9,0": "score_not_a_whole_number",
    "score ten": "score_not_a_whole_number",
    "score 10/10": "score_not_a_whole_number",
    "score empty": "score_missing",
    "missing id": "missing_id",
    "missing customer": "missing_required",
    "bad time": "bad_timestamp",
    "missing time": "missing_timestamp",
    "skipped hour": "nonexistent_local_time",  # 2024-03-31 02:30 in Brussels
    "future": "future",
    "past midnight": "future",  # 2026-01-01 00:30 in Brussels, still 2025 in UTC
    "too old": "too_old",
    "test": "test_answer",
    "before sent": "answered_before_sent",
    "conflict": "conflicting_duplicate",  # rows, two for each contested id
    "wrong width": "wrong_width",
    "repeated header": "repeated_header",
    "invalid json": "invalid_json",
    "foreign currency": "unknown_currency",
    "bad number": "bad_number",
    "bad kind": "bad_value",
}
PULSE_ANSWERS, INTERCEPT_ANSWERS, CSAT_ANSWERS = (
    (s, "survey_responses") for s in ("pulse", "intercept", "helpdesk")
)
BAD_ROWS: dict[tuple[str, str, str], dict[str, int]] = {
    (*PULSE_ANSWERS, "responses_2024q1.jsonl"): {
        **{"score 11": 2, "score empty": 2, "missing id": 1, "invalid json": 1, "test": 2},
        "too old": 1,
    },
    (*PULSE_ANSWERS, "responses_2024q2.jsonl"): {
        **{"score -1": 2, "score 8.5": 2, "bad time": 1, "conflict": 2},
    },
    (*PULSE_ANSWERS, "responses_2024q3.jsonl"): {
        **{"score N/A": 2, "score 9,0": 1, "missing time": 1, "conflict": 2},
    },
    (*PULSE_ANSWERS, "responses_2024q4.jsonl"): {
        **{"score ten": 2, "score 11": 2, "invalid json": 1, "test": 2, "conflict": 2},
    },
    (*PULSE_ANSWERS, "responses_2025q1.jsonl"): {
        **{"score empty": 2, "score 8.5": 2, "missing id": 1, "bad time": 1, "conflict": 2},
    },
    (*PULSE_ANSWERS, "responses_2025q2.jsonl"): {
        **{"score -1": 2, "score 9,0": 2, "missing time": 1, "conflict": 2},
    },
    (*PULSE_ANSWERS, "responses_2025q3.jsonl"): {
        **{"score N/A": 2, "score 11": 2, "invalid json": 1, "test": 2, "conflict": 2},
    },
    (*PULSE_ANSWERS, "responses_2025q4.jsonl"): {
        **{"score ten": 1, "score empty": 1, "bad time": 1, "missing id": 1, "future": 3},
        **{"past midnight": 1, "before sent": 4},
    },
    (*INTERCEPT_ANSWERS, "transactional_2024q1.csv"): {
        **{"score empty": 2, "score N/A": 2, "score 11": 2, "wrong width": 1, "skipped hour": 2},
    },
    (*INTERCEPT_ANSWERS, "transactional_2024q2.csv"): {
        **{"score 8.5": 2, "score 9,0": 2, "missing id": 1, "conflict": 2},
    },
    (*INTERCEPT_ANSWERS, "transactional_2024q3.csv"): {
        **{"score ten": 2, "score -1": 2, "wrong width": 1, "bad time": 2},
    },
    (*INTERCEPT_ANSWERS, "transactional_2024q4.csv"): {
        **{"score empty": 2, "score 10/10": 3, "missing time": 1, "conflict": 2},
    },
    (*INTERCEPT_ANSWERS, "transactional_2025q1.csv"): {
        **{"score N/A": 2, "score 11": 2, "repeated header": 1, "missing id": 1},
    },
    (*INTERCEPT_ANSWERS, "transactional_2025q2.csv"): {
        **{"score 8.5": 3, "score 9,0": 3, "wrong width": 2, "conflict": 2},
    },
    (*INTERCEPT_ANSWERS, "transactional_2025q3.csv"): {
        **{"score ten": 2, "score -1": 3, "bad time": 2, "missing id": 1},
    },
    (*INTERCEPT_ANSWERS, "transactional_2025q4.csv"): {
        **{"score empty": 4, "score N/A": 2, "score 11": 2, "wrong width": 1, "bad time": 2},
        **{"repeated header": 1, "missing time": 1, "missing id": 1, "future": 3},
    },
    (*CSAT_ANSWERS, "csat_2024.tsv"): {
        **{"score 0 of 5": 2, "score 6 of 5": 2, "score 4.5": 2, "score empty": 1},
    },
    (*CSAT_ANSWERS, "csat_2025.tsv"): {
        **{"score 0 of 5": 2, "score 6 of 5": 2, "score 4.5": 1, "score empty": 2},
        "missing id": 1,
    },
    ("crm", "customers", "customers_20240401.csv"): {"missing id": 2},
    ("crm", "customers", "customers_20240701.csv"): {"wrong width": 2},
    ("crm", "subscriptions", "subscriptions_20251231.csv"): {"bad time": 1},
    ("crm", "mrr_movements", "mrr_movements.csv"): {"bad kind": 2, "bad number": 1},
    ("crm", "invoices", "invoices_2024.csv"): {
        **{"foreign currency": 5, "bad number": 2, "missing id": 1},
    },
    ("crm", "invoices", "invoices_2025.csv"): {
        **{"foreign currency": 7, "bad number": 2, "missing id": 1, "future": 3},
    },
    ("crm", "product_usage", "usage_2025h2.csv"): {"bad number": 3},
    ("helpdesk", "support_tickets", "tickets.csv"): {"missing id": 2, "missing customer": 2},
    ("pulse", "survey_invitations", "invitations_2024.csv"): {"missing id": 1, "bad time": 1},
    ("pulse", "survey_invitations", "invitations_2025.csv"): {"missing id": 1, "bad time": 1},
}
QUARANTINED_BY_REASON = {
    # reason: pulse + intercept + helpdesk answers + others
    "score_out_of_range": 29,  # 10 + 11 + 8
    "score_not_a_whole_number": 40,  # 14 + 23 + 3
    "score_missing": 16,  # 5 + 8 + 3
    "missing_id": 16,  # 3 + 4 + 1 + 2 customers, 2 invoices, 2 tickets, 2 invitations
    "missing_required": 2,  # tickets
    "bad_timestamp": 12,  # 3 + 6 + 0 + 1 subscription, 2 invitations
    "missing_timestamp": 4,  # 2 + 2
    "nonexistent_local_time": 2,
    "future": 10,  # 4 + 3 + 0 + 3 invoices
    "too_old": 1,
    "test_answer": 6,
    "answered_before_sent": 4,
    "conflicting_duplicate": 18,  # 12 + 6
    "wrong_width": 7,  # 0 + 5 + 0 + 2 customers
    "repeated_header": 2,
    "invalid_json": 3,
    "unknown_currency": 12,  # invoices
    "bad_number": 8,  # 4 invoices, 3 of usage, 1 movement
    "bad_value": 2,  # movements
}
QUARANTINED_ROWS = 194
# Texts of accepted scores that are numbers only once they are trimmed.
NORMALISED_SCORES = {
    "pulse": {" 9 ": 10, "9.0": 10, "09": 10},
    "intercept": {" 9 ": 30, "9.0": 30, "09": 30, "+9": 30},
}
AMBIGUOUS_LOCAL_TIMES = 2  # intercept, accepted: 2025-10-26 02:30 happened twice

# One whole file is refused: an error page in place of a table, one line, so no rows are counted.
QUARANTINED_FILE = ("intercept", "survey_responses", "transactional_2025q2_retry.csv")
QUARANTINED_FILE_REASON = "not_a_table"
# The same bytes under another name: nothing happens.
REPLAYED_FILE = ("pulse", "survey_responses", "responses_2024q3_resent.jsonl")
REPLAYED_FILE_ORIGINAL = "responses_2024q3.jsonl"
BLANK_LINES = {("intercept", "survey_responses", "transactional_2024q3.csv"): 2}
# One column more than the mapping knows (device), and columns in another order.
DRIFTED_FILES = ("transactional_2025q3.csv", "transactional_2025q4.csv")
