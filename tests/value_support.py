"""A random business for the tables of value: customers, what they answer and what they do.

It can be put into a database laid out as the warehouse, and it computes by itself, customer by
customer, what the tables must contain.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd
import pyarrow as pa
from dbt_support import rebuild
from scipy import stats

AS_OF = date(2025, 12, 31)
AS_OF_AT = datetime(2025, 12, 31, 23)
ZONE = "Europe/Brussels"
MIN_GROUP_SIZE = 3
CASES = 100
LIFT_DAYS = 30
# (figure, class, rate, horizon, evidence): two of one class and horizon, and a class of silence
RATES = (
    ("short", "detractor", 0.5, 20, "churn"),
    ("long", "passive", 0.3, 40, "churn"),
    ("upside", "promoter", 0.3, 40, "referral"),
    ("fear", "promoter", 0.1, 40, "churn"),
    ("silence", "no_response", 0.2, 30, "churn"),
    ("quiet friends", "no_response", 0.2, 30, "referral"),
)
CLASSES = ("detractor", "passive", "promoter")
REGIONS = ("north", "south", None)
# Customers at as_of, by region, which lift is standardised on.
BASE = {"north": 30, "south": 50, "(unknown)": 20}
LEAST_SHARE = 0.6  # of the base whose region is known: the south alone will do
# What each source reports: churn, MRR, revenue, referrals, tickets, usage.
REPORTS = {
    "crm": "churn mrr revenue referrals tickets usage",
    "shop": "churn mrr revenue tickets",
    "bare": "mrr referrals usage",
    "nobody": "",
}
SOURCES = {name: {*reports.split()} for name, reports in REPORTS.items()}
MEASURES = ("revenue", "referrals", "tickets", "usage")


def at(day: date, hour: int = 12) -> datetime:
    """An instant of a day in the business zone, in UTC."""
    local = datetime(day.year, day.month, day.day, hour, tzinfo=ZoneInfo(ZONE))
    return local.astimezone(UTC).replace(tzinfo=None)


def ago(days: int) -> date:
    return AS_OF - timedelta(days)


class Business:
    """Customers with their answers, silences and deeds, as dictionaries."""

    def __init__(
        self, seed: int, cases: int = CASES, customers: int = 240, answers: int = 60
    ) -> None:
        draw = random.Random(seed)
        self.customers: dict[str, dict[str, Any]] = {}
        for number in range(customers):
            source = draw.choice((*SOURCES, "crm", "shop"))
            churned_on = ago(draw.randint(-5, 90)) if draw.random() < 0.4 else None
            self.customers[f"c{number:03}"] = {
                "source": source,
                "reports": SOURCES[source],
                "is_known": draw.random() < 0.9,
                "churned_on": churned_on if "churn" in SOURCES[source] else None,
                "mrr": draw.choice((None, 0, 19.9, 490)),
            }
        self.anchors = [
            self._anchor(draw, f"case {case}")
            for case in range(cases)
            for _ in range(draw.randint(0, answers))
        ]
        # some were asked again, and silent, on the day of an answer
        self.anchors += [
            {**anchor, "nps_class": "no_response"}
            for anchor in self.anchors[::40]
            if self.customers[anchor["customer"]]["is_known"]
            and anchor["nps_class"] != "no_response"
        ]
        for number, anchor in enumerate(self.anchors):
            anchor["key"] = f"k{number:05}"
        for silence in self.anchors:
            if silence["nps_class"] == "no_response" and any(
                other["nps_class"] in CLASSES
                and other["customer"] == silence["customer"]
                and other["survey_type"] == silence["survey_type"]
                and other["on"] < silence["on"]
                for other in self.anchors
            ):
                silence["nps_class"] = "answered_other"
        self.deeds = [
            {
                "measure": draw.choice(MEASURES),
                "customer": draw.choice([*self.customers]),
                # usage and tickets are delivered later than the rest, usage no longer at as_of
                "on": ago(draw.randint(-3, 120)),
                "amount": draw.choice((-5.0, 10.0, 99.9)),
                "is_won": draw.random() < 0.7,
                "status": draw.choice(("accepted", "accepted", "accepted", "superseded")),
            }
            for _ in range(customers * 12)
        ]
        for deed in self.deeds:
            # only what its source delivers can have come
            reports = self.customers[deed["customer"]]["reports"]
            late = {"usage": 70, "tickets": 80}.get(deed["measure"], 120)
            early = {"usage": 12}.get(deed["measure"], -3)
            age = (AS_OF - deed["on"]).days
            if deed["measure"] not in reports or not early <= age <= late:
                deed["status"] = "quarantined"

    def _anchor(self, draw: random.Random, survey_type: str) -> dict[str, Any]:
        customer = draw.choice([*self.customers])
        on = ago(draw.randint(0, 90))
        churned_on = self.customers[customer]["churned_on"]
        knows = (
            self.customers[customer]["is_known"] and "churn" in self.customers[customer]["reports"]
        )
        is_known = self.customers[customer]["is_known"]
        left = churned_on if is_known else None
        return {
            "customer": customer,
            "survey_type": survey_type,
            "nps_class": draw.choice(
                (*CLASSES, *CLASSES, "no_response" if is_known else "promoter")
            ),
            "region": draw.choice(REGIONS),
            "on": on,
            "is_informed": knows,
            # who leaves does so at noon, who answers at eleven
            "is_active": left is None or left >= on,
            "days_to_churn": (left - on).days if left and left >= on else None,
        }

    # --- into the database ----------------------------------------------------------------------

    def fill(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Put the business where the models look for it."""
        for table in FILLED:
            connection.execute(f"delete from {table}")
        answers = [a for a in self.anchors if a["nps_class"] in CLASSES]
        put(connection, "marts.fct_nps_churn", [
            {
                "response_key": a["key"], "customer_key": a["customer"], "metric": "nps",
                "survey_type": a["survey_type"], "nps_class": a["nps_class"],
                "region": a["region"], "responded_on": a["on"],
                "days_to_churn": a["days_to_churn"], "has_churn_information": a["is_informed"],
                "was_active_at_answer": a["is_active"] if a["is_informed"] else None,
                "revenue_before": 0.0 if self.knows(a["customer"], "revenue") else None,
            }
            for a in answers
        ])  # fmt: skip
        put(connection, "marts.fct_nps_responses", [
            {
                "response_key": a["key"], "response_id": a["key"], "customer_key": a["customer"],
                "metric": "nps", "survey_type": a["survey_type"], "nps_class": a["nps_class"],
                "region": a["region"], "responded_at": at(a["on"], 11), "responded_on": a["on"],
                "voice_key": a["customer"], "channel": ("email", "app")[int(a["key"][1:]) % 2],
                "contribution": 100 * (CLASSES.index(a["nps_class"]) - 1),
                "version_at": datetime(2020, 1, 1), "source": "ask",
            }
            for a in answers
        ])  # fmt: skip
        invitations = [
            {
                "invitation_key": a["key"], "customer_key": a["customer"], "metric": "nps",
                "survey_type": a["survey_type"], "nps_class": a["nps_class"],
                "seg_region": a["region"], "landmark_at": at(a["on"], 10), "landmark_on": a["on"],
                "is_answered": False, "days_to_churn": a["days_to_churn"],
                "has_churn_information": a["is_informed"], "may_be_active": a["is_active"],
            }
            for a in self.anchors
            if a["nps_class"] not in CLASSES
        ] + [
            # who answered was invited, and is followed from some days after the answer as well
            {
                "invitation_key": a["key"], "customer_key": a["customer"], "metric": "nps",
                "survey_type": a["survey_type"], "nps_class": a["nps_class"],
                "seg_region": a["region"], "landmark_at": at(a["on"] + timedelta(3), 10),
                "landmark_on": a["on"] + timedelta(3), "is_answered": True,
                "days_to_churn": None if a["days_to_churn"] is None or a["days_to_churn"] < 3
                else a["days_to_churn"] - 3,
                "has_churn_information": a["is_informed"],
                "may_be_active": a["is_active"] and (
                    a["days_to_churn"] is None or a["days_to_churn"] >= 3
                ),
            }
            for a in answers
        ]  # fmt: skip
        put(connection, "intermediate.int_landmarks_classified", invitations)
        # what was answered gets its class there
        put(connection, "intermediate.int_invitations_followed", [
            {**each, "nps_class": None} if each["is_answered"] else each for each in invitations
        ])  # fmt: skip
        put(connection, "marts.dim_customers", [
            {
                "customer_key": key, "source": c["source"], "region": None,
                "is_active": self.is_there(key) if self.knows(key, "churn") else None,
            }
            for key, c in self.customers.items()
        ])  # fmt: skip
        put(connection, "intermediate.int_customer_lifecycles_dated", [
            {
                "customer_key": key,
                "churned_at": at(c["churned_on"]) if c["churned_on"] else None,
                "has_churn_information": "churn" in c["reports"],
                "has_mrr_information": "mrr" in c["reports"],
                "has_revenue_information": "revenue" in c["reports"],
            }
            for key, c in self.customers.items()
            if c["is_known"]
        ])  # fmt: skip
        put(connection, "intermediate.int_customer_values_summed", [
            {"customer_key": key, "mrr": float(c["mrr"])}
            for key, c in self.customers.items()
            if c["mrr"] is not None
        ])  # fmt: skip
        put(connection, "raw.mapped_columns", [
            {"source": name, "entity": "referrals", "customer_source": name, "column_name": "x"}
            for name, reports in SOURCES.items()
            if "referrals" in reports
        ])  # fmt: skip
        for measure, table in ENTITIES.items():
            put(connection, f"intermediate.{table}", [
                {
                    "customer_source": self.customers[d["customer"]]["source"],
                    "row_status": d["status"],
                    **DEEDS[measure](d),
                }
                for d in self.deeds
                if d["measure"] == measure
            ])  # fmt: skip
        put(connection, "intermediate.int_customer_money_moved", [
            {
                "customer_key": d["customer"], "moved_at": at(d["on"], 0),
                "revenue": d["amount"], "mrr_change": 0.0,
            }
            for d in self.deeds
            if d["measure"] == "revenue" and d["status"] == "accepted"
        ])  # fmt: skip

        put(connection, "intermediate.int_customer_base_counted", [
            {"as_of_on": day, "dimension": "region", "segment": region, "customers": customers + more}
            for region, customers in BASE.items()
            for day, more in ((AS_OF, 0), (ago(1), 500))
        ])  # fmt: skip
        rebuild(connection, ["int_customers_classified"])

    # --- the same figures in Python -------------------------------------------------------------

    def knows(self, customer: str, what: str) -> bool:
        return self.customers[customer]["is_known"] and what in self.customers[customer]["reports"]

    def is_there(self, customer: str) -> bool:
        """Whether nothing says that the customer left by as_of."""
        churned_on = self.customers[customer]["churned_on"]
        return not self.customers[customer]["is_known"] or churned_on is None or churned_on > AS_OF

    def yearly(self, customer: str) -> float | None:
        if not self.knows(customer, "mrr"):
            return None
        return 12 * (self.customers[customer]["mrr"] or 0)

    def counted_anchors(self) -> dict[tuple[str, str], dict[str, Any]]:
        """The anchor in which a customer counts now: the latest answer, else the first silence."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        # of one day's answers the last key counts, of its silences the first
        for a in sorted(self.anchors, key=lambda a: (a["on"], a["key"])):
            place = (a["survey_type"], a["customer"])
            if a["nps_class"] in CLASSES:
                found[place] = a
        for a in sorted(self.anchors, key=lambda a: (a["on"], a["key"])):
            found.setdefault((a["survey_type"], a["customer"]), a)
        return found

    def first_anchors(self) -> list[dict[str, Any]]:
        """Each customer's first anchor at which nothing says that it had left."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        # silence begins at ten, answers come at eleven
        for a in sorted(self.anchors, key=lambda a: (a["on"], a["nps_class"] in CLASSES, a["key"])):
            if a["is_active"] or not a["is_informed"]:
                found.setdefault((a["survey_type"], a["customer"]), a)
        return list(found.values())

    def revenue_at_risk(self, rates=RATES) -> dict[tuple, dict[str, Any]]:
        """Rows by (survey type, figure, dimension, segment)."""
        paying = [
            self.yearly(c) for c in self.customers if self.is_there(c) and self.knows(c, "mrr")
        ]
        arpc = sum(paying) / len(paying)
        cells: dict[tuple, dict[str, list]] = defaultdict(lambda: defaultdict(list))
        won = [
            d for d in self.deeds
            if d["measure"] == "referrals" and d["status"] == "accepted" and d["is_won"]
        ]  # fmt: skip
        counted = self.counted_anchors()
        firsts = defaultdict(list)
        for a in self.first_anchors():
            firsts[a["survey_type"], a["customer"]].append(a)
        for figure, nps_class, rate, horizon, evidence in rates:
            for a in self.anchors:
                if a["nps_class"] != nps_class:
                    continue
                reports = "referrals" in self.customers[a["customer"]]["reports"]
                is_over = a["on"] + timedelta(horizon) <= AS_OF
                if evidence == "churn":
                    counts = is_over and a["is_informed"]
                    churn = a["days_to_churn"]
                    happened = int(churn is not None and churn <= horizon)
                    informed = a["is_informed"]
                else:
                    counts = is_over and reports
                    happened = sum(
                        d["customer"] == a["customer"]
                        and 0 < (d["on"] - a["on"]).days <= horizon
                        for d in won
                    )  # fmt: skip
                    informed = reports
                is_first = any(a is first for first in firsts[a["survey_type"], a["customer"]])
                here = counted[a["survey_type"], a["customer"]] is a and self.is_there(
                    a["customer"]
                )
                for cut in (("all", "all"), ("region", a["region"] or "(unknown)")):
                    cell = cells[a["survey_type"], figure, *cut]
                    cell["rule"] = [nps_class, rate, horizon, evidence]
                    cell["informed"].append(is_first and informed)
                    if is_first and counts:
                        cell["happened"].append(happened)
                    if here:
                        cell["revenues"].append(self.yearly(a["customer"]))
        return {key: self._risk(cell, arpc) for key, cell in cells.items()}

    def _risk(self, cell: dict[str, list], arpc: float) -> dict[str, Any]:
        nps_class, rate, horizon, evidence = cell["rule"]
        customers, observed = len(cell["revenues"]), len(cell["happened"])
        known = [revenue for revenue in cell["revenues"] if revenue is not None]
        is_suppressed = 0 < len(known) < MIN_GROUP_SIZE
        is_priced = known and not is_suppressed
        annual = sum(known) if known else None
        seen = sum(cell["happened"]) / observed if observed >= MIN_GROUP_SIZE else None
        bounds = (None, None)
        if evidence == "churn" and seen is not None:
            interval = stats.binomtest(sum(cell["happened"]), observed).proportion_ci(
                method="wilson"
            )
            bounds = (interval.low, interval.high)
        if is_suppressed:
            reason = "too_few"
        elif annual is None:
            reason = "no_mrr"
        elif not any(cell["informed"]):
            reason = "no_churn_information" if evidence == "churn" else "no_referrals"
        elif not observed:
            reason = "no_window_is_over"
        else:
            reason = "too_few" if seen is None else None
        evident = None if is_suppressed or None in (annual, seen) else annual * seen
        return {
            "nps_class": nps_class,
            "horizon_days": horizon,
            "customers": customers,
            "priced_customers": len(known),
            "assumed_rate": rate,
            "revenue_per_customer": None if is_suppressed else arpc,
            "assumed_amount": len(known) * rate * arpc if is_priced else None,
            "annual_revenue": None if is_suppressed else annual,
            "observed": observed,
            "observed_rate": seen,
            "rate_ci_low": bounds[0],
            "rate_ci_high": bounds[1],
            "evidence_amount": evident,
            "difference": None if evident is None else evident - len(known) * rate * arpc,
            "is_suppressed": is_suppressed,
            "unknown_because": reason,
        }

    def lift(self) -> dict[tuple, dict[str, Any]]:
        """Rows by (survey type, class, measure, dimension), without what compares them."""
        accepted = [d for d in self.deeds if d["status"] == "accepted"]
        begins: dict[tuple[str, str], date] = {}
        ends: dict[tuple[str, str], date] = {}
        for d in accepted:
            key = (self.customers[d["customer"]]["source"], d["measure"])
            begins[key] = min(begins.get(key, d["on"]), d["on"])
            ends[key] = max(ends.get(key, d["on"]), d["on"])
        answers = [a for a in self.anchors if a["nps_class"] in CLASSES]
        first: dict[tuple[str, str], dict[str, Any]] = {}
        for a in sorted(answers, key=lambda a: (a["on"], a["key"])):
            first.setdefault((a["survey_type"], a["customer"]), a)
        amounts: dict[tuple, list[float]] = defaultdict(list)
        by_region: dict[tuple, list[float]] = defaultdict(list)
        delivered: dict[tuple, bool] = defaultdict(bool)
        counted = set()
        for a in first.values():
            if a["is_informed"] and not a["is_active"]:
                continue
            for measure in MEASURES:
                cell = (a["survey_type"], a["nps_class"], measure)
                counted.add(cell)
                span = (self.customers[a["customer"]]["source"], measure)
                begun = begins.get(span)
                if measure == "revenue" and not self.customers[a["customer"]]["is_known"]:
                    begun = None
                delivered[cell] |= begun is not None
                if begun is None or begun > a["on"]:
                    continue
                if a["on"] + timedelta(LIFT_DAYS) > min(AS_OF, ends[span]):
                    continue
                amount = math.fsum(
                    d["amount"] if measure in ("revenue", "usage") else 1
                    for d in accepted
                    if d["measure"] == measure
                    and d["customer"] == a["customer"]
                    and 0 < (d["on"] - a["on"]).days <= LIFT_DAYS
                )
                amounts[cell].append(amount)
                by_region[*cell, a["region"]].append(amount)
        rows = {}
        for a in answers:
            for measure in MEASURES:
                cell = (a["survey_type"], a["nps_class"], measure)
                values = pd.Series(amounts[cell], dtype=float)
                is_suppressed = len(values) < MIN_GROUP_SIZE
                reason = "too_few" if is_suppressed else None
                if cell in counted and not len(values):
                    reason = "no_window_is_over" if delivered[cell] else "not_delivered"
                rows[*cell, "all"] = {
                    "observed": len(values),
                    "covered_share": None,
                    "total": None if is_suppressed else values.sum(),
                    "mean": None if is_suppressed else values.mean(),
                    "standard_error": None if is_suppressed else values.sem(),
                    "is_suppressed": is_suppressed,
                    "unknown_because": reason,
                    "values": amounts[cell],
                }
                rows[*cell, "region"] = self._standardised(cell, by_region, rows[*cell, "all"])
        return rows

    def _standardised(
        self, cell: tuple, by_region: dict[tuple, list[float]], raw: dict[str, Any]
    ) -> dict[str, Any]:
        """The row of a cell standardised on the region, with the passives' mean and error."""
        own = {region: pd.Series(by_region[*cell, region]) for region in ("north", "south")}
        passive = {
            region: pd.Series(by_region[cell[0], "passive", cell[2], region]) for region in own
        }
        both = [r for r in own if min(len(own[r]), len(passive[r])) >= MIN_GROUP_SIZE]
        known = sum(BASE[region] for region in own)
        covered = sum(BASE[region] for region in both)
        is_known = raw["unknown_because"] is None and covered >= LEAST_SHARE * known
        row: dict[str, Any] = {
            "observed": sum(len(values) for values in own.values()),
            "covered_share": covered / known,
            "total": None,
            "is_suppressed": raw["is_suppressed"],
            "unknown_because": raw["unknown_because"]
            or (None if is_known else "stratum_too_small"),
        }
        variances = []  # of each segment and class, with its degrees of freedom
        for prefix, values in (("", own), ("passive_", passive)):
            parts = [(BASE[r] / covered, values[r]) for r in both] if is_known else []
            variances += [((w * part.sem()) ** 2, len(part) - 1) for w, part in parts]
            error = math.sqrt(sum((w * part.sem()) ** 2 for w, part in parts))
            mean = sum(w * part.mean() for w, part in parts)
            row[f"{prefix}mean"] = mean if is_known else None
            row[f"{prefix}standard_error"] = error if is_known else None
        total = sum(variance for variance, _ in variances)
        # Satterthwaite 1946
        squares = sum(variance**2 / degrees for variance, degrees in variances)
        is_tested = total > 0 and cell[1] != "passive"
        row["degrees_of_freedom"] = total**2 / squares if is_tested else None
        return row


ENTITIES = {
    "revenue": "int_invoices_versioned",
    "referrals": "int_referrals_versioned",
    "tickets": "int_support_tickets_versioned",
    "usage": "int_product_usage_versioned",
}
DEEDS = {
    "revenue": lambda d: {
        "customer_key": d["customer"],
        "invoiced_at": at(d["on"], 0),
        "amount": d["amount"],
    },
    "referrals": lambda d: {
        "referrer_customer_key": d["customer"],
        "referred_at": at(d["on"], 23),
        "converted_at": at(min(d["on"], AS_OF)) if d["is_won"] else None,
    },
    "tickets": lambda d: {"customer_key": d["customer"], "opened_at": at(d["on"], 0)},
    "usage": lambda d: {
        "customer_key": d["customer"],
        "used_on": d["on"],
        "quantity": d["amount"],
    },
}
FILLED = (
    "marts.fct_nps_churn",
    "marts.fct_nps_responses",
    "marts.dim_customers",
    "raw.mapped_columns",
    *(
        f"intermediate.{name}"
        for name in (
            "int_invitations_followed",
            "int_landmarks_classified",
            "int_customer_lifecycles_dated",
            "int_customer_values_summed",
            "int_customer_money_moved",
            "int_customer_base_counted",
            *ENTITIES.values(),
        )
    ),
)


def put(connection: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.register("given_rows", pa.Table.from_pylist(rows))
        connection.execute(f"insert into {table} by name from given_rows")


def settle(connection: duckdb.DuckDBPyConnection) -> None:
    """Set the workspace and the seeds as the business has them."""
    connection.execute(
        "insert into nps.raw.workspace (as_of_on, as_of_at, timezone, min_group_size) "
        "values (?, ?, ?, ?)",
        [AS_OF, AS_OF_AT, ZONE, MIN_GROUP_SIZE],
    )
    connection.execute("insert into nps.raw.segments values (1, 'region', 'region')")
    connection.execute("delete from nps.seeds.revenue_at_risk_rates")
    connection.executemany(
        "insert into nps.seeds.revenue_at_risk_rates values (?, ?, ?, ?, ?, '')", RATES
    )
    connection.execute(
        "update nps.seeds.assumptions set value = ? where name = 'lift_days'", [LIFT_DAYS]
    )
    connection.execute(
        "update nps.seeds.assumptions set value = ? where name = 'min_standardised_share'",
        [LEAST_SHARE],
    )
