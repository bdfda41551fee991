"""What the tests of the published sample share: the tables' conditions and the figures' arithmetic."""

from __future__ import annotations

import hashlib
import math
import os
import re
import uuid
from pathlib import Path
from statistics import NormalDist

import duckdb
import pandas as pd
import pytest

from sample import care, truths

SOURCE_OF = {"relational": "pulse", "transactional": "intercept", "csat": "helpdesk"}
CLASSES = ("promoter", "passive", "detractor")
AS_OF = "date '2025-12-31'"
RELATIONAL = "metric = 'nps' and survey_type = 'relational'"
TRANSACTIONAL = "metric = 'nps' and survey_type = 'transactional'"
PARTS = ("accepted", "quarantined", "duplicate", "superseded", "deleted")


def rows(tables: duckdb.DuckDBPyConnection, sql: str) -> list[tuple]:
    return tables.execute(sql).fetchall()


def invitations_sent(root: Path) -> pd.DataFrame:
    """The delivered invitations that were sent by as_of, with the sending's local day.

    ``responded`` is set as well where an answer names the invitation, be it one that is refused.
    """
    files = sorted((root / "landing/pulse").glob("invitations_*.csv"))
    frame = pd.concat((pd.read_csv(file, dtype=str) for file in files), ignore_index=True)
    # what the generator broke: a time that is none, a row without an id
    at = pd.to_datetime(frame["sent"], utc=True, errors="coerce", format="ISO8601")
    frame = frame[at.notna() & frame["invitation_id"].notna()].copy()
    frame["day"] = at.dt.tz_convert("Europe/Brussels").dt.tz_localize(None).dt.normalize()
    answers = "".join(
        file.read_text(encoding="utf-8")
        for file in sorted((root / "landing/pulse").glob("responses_*.jsonl"))
    )
    named = frame["invitation_id"].isin(re.findall(r'"invitation": "(inv-\d+)"', answers))
    frame["responded"] = frame["responded"].mask(named & frame["responded"].isna(), "named")
    return frame[frame["day"] <= "2025-12-31"]


def is_held_out(customer: object) -> bool:
    """Whether a customer, by its key, is held out: drawn by the hash with the tests' key."""
    key = hashlib.sha256(os.environ["NPS_HASH_KEY"].encode()).hexdigest()
    inner = hashlib.md5(f"{key[:32]}{customer}".encode()).hexdigest()
    keyed = uuid.UUID(hashlib.md5(f"{key[32:]}{inner}".encode()).hexdigest())
    digest = hashlib.md5(f"{keyed}|hold-out".encode()).hexdigest()
    return int(digest[:8], 16) / 2**32 < care.HOLDOUT_SHARE


def interval(promoters: int, passives: int, detractors: int) -> tuple[float, float, float]:
    """Standard error and 95 % adjusted-Wald bounds (Rocks 2016): 3 answers more, 3/4 at each end."""

    def error(p: float, d: float, n: float) -> float:
        return 100 * math.sqrt((p / n + d / n - (p / n - d / n) ** 2) / n)

    n, z = promoters + passives + detractors, NormalDist().inv_cdf(0.975)
    p, d = promoters + 0.75, detractors + 0.75
    middle, half = 100 * (p - d) / (n + 3), z * error(p, d, n + 3)
    bounds = max(-100.0, middle - half), min(100.0, middle + half)
    # answers of one class alone have no spread: the adjusted error stands in
    spread = error(promoters, detractors, n) or half / z
    return (spread, *bounds)


def scored(score: truths.Score) -> tuple:
    """A row of counts and figures as a table of periods must have it."""
    counts = score[:3]
    figures = (score.nps, *interval(*counts))
    return (score.responses, *counts, *(pytest.approx(figure) for figure in figures))


FIGURES = "responses, promoters, passives, detractors, nps, standard_error, ci_low, ci_high"


def period(tables, condition: str, table: str = "fct_nps_by_period") -> tuple:
    """Counts and figures of the one row for which a condition holds, in the basis responses."""
    sql = f"select {FIGURES} from marts.{table} where basis = 'responses' and {condition}"
    (row,) = rows(tables, sql)
    return row
