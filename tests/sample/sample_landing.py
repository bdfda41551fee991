"""The sample's files read and judged with pandas alone: no code of the warehouse's or generator's.

Everything here follows the agreed definitions (scores, versions, identity, segments as of the
answer, churn windows) straight from the delivered bytes.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd

BRUSSELS = "Europe/Brussels"
AS_OF_AT = datetime(2026, 1, 1, tzinfo=ZoneInfo(BRUSSELS))
AS_OF_ON = pd.Timestamp("2025-12-31")
SLASHED = "%d/%m/%Y %H:%M"
SCALES = {
    **{"pulse": range(11), "intercept": range(11), "helpdesk": range(1, 6)},
    "board": range(1, 11),
}
CLASSES = {
    **dict.fromkeys(range(7), "detractor"),
    **dict.fromkeys((7, 8), "passive"),
    **dict.fromkeys((9, 10), "promoter"),
}
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


@cache
def _local(text: str) -> datetime | None:
    """A naive local time as an instant, the earlier of two; None: the clocks skipped it."""
    at = datetime.strptime(text, SLASHED).replace(tzinfo=ZoneInfo(BRUSSELS)).astimezone(UTC)
    return at if at.astimezone(ZoneInfo(BRUSSELS)).strftime(SLASHED) == text else None


def instant(text: object, source: str) -> tuple[datetime | None, str | None]:
    """A delivered time as an instant, or the reason why it is none."""
    if text in (None, ""):
        return None, "missing_timestamp"
    try:
        if source == "pulse":
            at = datetime.fromtimestamp(text, UTC)
        elif source == "helpdesk" and "T" in text:
            at = datetime.fromisoformat(text)
        else:
            at = _local(text)
    except (TypeError, ValueError):
        return None, "bad_timestamp"
    if at is None:
        return None, "nonexistent_local_time"
    if at >= AS_OF_AT:
        return at, "future"
    return at, "too_old" if at.year < 2000 else None


def score_of(text: object, source: str) -> tuple[int | None, str | None]:
    """A delivered score as a number of its scale, or the reason why it is none."""
    if text is None or not str(text).strip():
        return None, "score_missing"
    if not re.fullmatch(r" *[+-]?[0-9]+([.]0+)? *", str(text), re.ASCII):
        return None, "score_not_a_whole_number"
    score = int(float(str(text)))
    return (score, None) if score in SCALES[source] else (None, "score_out_of_range")


def _delimited(path: Path, delimiter: str, encoding: str) -> tuple[list[str], list[list[str]], int]:
    """Header, records and the number of blank lines."""
    text = path.read_bytes().decode(encoding)
    header, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    return header, [row for row in rows if row], sum(not row for row in rows)


def _broken(header: list[str], row: list[str]) -> str | None:
    if len(row) != len(header):
        return "wrong_width"
    return "repeated_header" if row == header else None


def _pulse(path: Path) -> list[dict]:
    rows = []
    for line in path.read_text("utf-8").split("\n")[:-1]:
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            rows.append({"reason": "invalid_json"})
            continue
        rows.append(
            {
                "id": record["id"],
                "score": record["score"],
                "time": record["created_at"],
                "version": record["updated_at"],
                "person": record["person"]["id"],
                "email": record["person"]["email"],
                "own_region": record["person"]["properties"]["region"],
                "comment": next((a["text"] for a in record["answers"]), None),
                "invitation": record["invitation"],
                "survey": record["survey"]["id"],
                "deleted": record["deleted"],
                "test": record["test"],
                "content": line,
            }
        )
    return rows


_INTERCEPT = {
    "id": "ref",
    "score": "rating",
    "time": "answered",
    "version": "changed",
    "person": "customer_no",
    "email": "e-mail",
    "touchpoint": "moment",
    "comment": "verbatim",
    "deleted": "removed",
}
_CSAT = {
    **{"id": "id", "score": "rating", "time": "given", "person": "customer", "email": "mail"},
    "comment": "remark",
}

_BOARD = {"id": "answer", "score": "rating", "time": "given", "person": "member"}


def _tabular(path: Path, names: dict[str, str], delimiter: str, encoding: str) -> list[dict]:
    header, records, _ = _delimited(path, delimiter, encoding)
    rows = []
    for cells in records:
        if reason := _broken(header, cells):
            rows.append({"reason": reason})
            continue
        row = dict(zip(header, cells, strict=True))
        answer = {name: row[column] or None for name, column in names.items()}
        rows.append(answer | {"content": json.dumps(row, sort_keys=True)})
    return rows


def _judged(row: dict, source: str, sent: dict[str, pd.Timestamp]) -> dict:
    at, bad_time = instant(row.get("time"), source)
    score, bad_score = score_of(row.get("score"), source)
    version, _ = instant(row.get("version"), source)
    asked = sent.get(row.get("invitation") or "")
    checks = (
        row.get("reason"),
        None if row.get("id") else "missing_id",
        bad_time,
        bad_score,
        "test_answer" if row.get("test") else None,
        "answered_before_sent" if asked is not None and at is not None and at < asked else None,
    )
    reason = next((check for check in checks if check), None)
    is_deleted = row.get("deleted") in (True, "true")
    return (
        row
        | {"at": at, "points": score, "version": version, "deleted": is_deleted}
        | ({"reason": reason})
    )


def answers(landing: Path, sources: Iterable[str] = SCALES) -> pd.DataFrame:
    """Every delivered answer row of the survey tools, with ``status`` and ``reason``."""
    sent = {row.invitation_id: row.sent_at for row in invitations(landing).itertuples()}
    readers = {
        "pulse": ("responses_*.jsonl", _pulse),
        "intercept": (
            "transactional_20????.csv",
            lambda path: _tabular(path, _INTERCEPT, ";", "utf-8-sig"),
        ),
        "helpdesk": ("csat_*.tsv", lambda path: _tabular(path, _CSAT, "\t", "cp1252")),
        "board": ("panel_*.csv", lambda path: _tabular(path, _BOARD, ",", "utf-8")),
    }
    rows, seen = [], set()
    for source in sources:
        pattern, read = readers[source]
        for path in sorted((landing / source).glob(pattern)):
            if path.read_bytes() in seen:  # the same delivery again
                continue
            seen.add(path.read_bytes())
            judged = [_judged(row, source, sent) for row in read(path)]
            rows += [row | {"source": source, "file": path.name} for row in judged]
    frame = pd.DataFrame(_versioned(rows))
    for column in ("at", "version"):
        frame[column] = pd.to_datetime(frame[column], utc=True)
    return frame


def _versioned(rows: list[dict]) -> list[dict]:
    """Fill ``status``: what becomes of every row, of one key the newest version being accepted."""
    by_key = defaultdict(list)
    for row in rows:
        row["status"] = "quarantined" if row["reason"] else "accepted"
        if not row["reason"]:
            by_key[row["source"], row["id"]].append(row)
    for group in by_key.values():
        beginning = datetime(1970, 1, 1, tzinfo=UTC)
        versions = [row["version"] or beginning for row in group]
        newest = [row for row, at in zip(group, versions, strict=True) if at == max(versions)]
        is_contested = len({row["content"] for row in newest}) > 1
        for row in group:
            row["status"] = "superseded"
        for row in newest:
            row["status"] = "quarantined" if is_contested else "duplicate"
            row["reason"] = "conflicting_duplicate" if is_contested else None
        if not is_contested:
            newest[0]["status"] = "deleted" if newest[0]["deleted"] else "accepted"
    return rows


def customers(landing: Path) -> pd.DataFrame:
    """All valid rows of all customer snapshots, with ``valid_from`` (UTC) and their own file."""
    frames = []
    for path in sorted((landing / "crm").glob("customers_*.csv")):
        header, records, _ = _delimited(path, ",", "utf-8")
        kept = [row for row in records if len(row) == len(header) and row[0]]
        frame = pd.DataFrame(kept, columns=header)
        day = pd.to_datetime(path.stem.removeprefix("customers_"), format="%Y%m%d")
        frame["valid_from"] = day.tz_localize(BRUSSELS).tz_convert("UTC")
        frame["delivered"], frame["file"] = len(records), path.name
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def churned_at(snapshots: pd.DataFrame) -> pd.Series:
    """When customers left, as the last snapshot knows it; by customer, NaT for who stayed."""
    last = snapshots.sort_values("valid_from").drop_duplicates("customer_no", keep="last")
    left = pd.to_datetime(last.set_index("customer_no")["left_on"], format="%d/%m/%Y")
    return left.dt.tz_localize(BRUSSELS)


def identified(accepted: pd.DataFrame, snapshots: pd.DataFrame) -> pd.DataFrame:
    """Accepted answers with ``customer``, ``how`` they found it, and the segments as of then."""
    ids = set(snapshots["customer_no"])
    emails = snapshots["e_mail"].str.strip().str.lower()
    holders = snapshots.groupby(emails)["customer_no"].agg(["nunique", "first"])
    sole = holders[holders["nunique"] == 1]["first"].to_dict()
    many = set(holders[holders["nunique"] > 1].index)

    def match(row: pd.Series) -> tuple[str | None, str]:
        email = (row.email or "").strip().lower()
        if row.person in ids:
            return row.person, "by_id"
        if EMAIL.fullmatch(email) and email in sole:
            return sole[email], "by_email"
        if row.person:
            return row.person, "inferred"
        return None, "ambiguous" if email in many else "stranger"

    frame = accepted.astype({"person": "object", "email": "object"})
    frame = frame.where(frame.notna(), None)
    found = [match(row) for row in frame.itertuples()]
    frame["customer"], frame["how"] = zip(*found, strict=True)
    history = snapshots[["customer_no", "valid_from", "region", "plan"]].sort_values("valid_from")
    first = history.drop_duplicates("customer_no")["valid_from"].index
    history.loc[first, "valid_from"] = pd.Timestamp("1900-01-01", tz="UTC")
    history = history.astype({"valid_from": "datetime64[us, UTC]"}).sort_values("valid_from")
    frame["at"] = pd.to_datetime(frame["at"], utc=True).astype("datetime64[us, UTC]")
    frame["key"] = frame["customer"].fillna("nobody")
    frame = pd.merge_asof(
        frame.sort_values("at"),
        history,
        left_on="at",
        right_on="valid_from",
        left_by="key",
        right_by="customer_no",
    )
    own = frame["own_region"].where(frame["own_region"].notna())
    frame["crm_region"] = frame["region"].replace("", None)
    frame["region"] = own.fillna(frame["crm_region"]).fillna("(unknown)")
    frame["plan"] = frame["plan"].replace("", None).fillna("(unknown)")
    local = frame["at"].dt.tz_convert(BRUSSELS)
    frame["day"] = local.dt.tz_localize(None).dt.normalize()
    frame["year"], frame["quarter"] = local.dt.year, local.dt.quarter
    return frame


def invitations(landing: Path) -> pd.DataFrame:
    """Valid invitations, with ``sent_at``."""
    paths = sorted((landing / "pulse").glob("invitations_*.csv"))
    frame = pd.concat([pd.read_csv(p, dtype=str, keep_default_na=False) for p in paths])
    frame["sent_at"] = pd.to_datetime(
        frame["sent"], format="%Y-%m-%dT%H:%M:%SZ", utc=True, errors="coerce"
    )
    return frame[(frame["invitation_id"] != "") & frame["sent_at"].notna()]


def table(landing: Path, name: str) -> pd.DataFrame:
    """A CSV file of the CRM's or another's, all text."""
    return pd.read_csv(landing / name, dtype=str, keep_default_na=False)
