"""The order of deliveries, and delivering again, change nothing; a late answer restates its period.

The deliveries are drawn by a seed, and what must become of them is worked out here by the plainest
reading of the rules: of an answer's versions the newest counts, a tombstone removes, two contents
of one version are both quarantined; a customer's region is that of the last snapshot before the
answer, the first one reaching back.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import e2e_support as e2e
import pytest

REGIONS = ("north", "south", "east")
CUSTOMERS = [f"C{number}" for number in range(10)]
HEADER = ["id", "customer", "score", "at", "changed", "gone", "text"]
SNAPSHOTS = ("20250101", "20250501", "20250901")
# as_of of each round: what is later comes in by itself once as_of has passed it
ROUNDS = ("2025-06-30", "2025-12-31", "2025-12-31")
LATE = "answers_late.csv"
SETTINGS = {
    "version": 1,
    "as_of": "2025-12-31",
    "segments": ["region"],
    "min_group_size": 1,
    "max_quarantine_rate": 1,
    "sources": [
        {
            "name": "shop",
            "entity": "survey_responses",
            "files": "answers*.csv",
            "columns": {
                "response_id": "id", "customer_id": "customer", "score": "score",
                "submitted_at": "at", "updated_at": "changed", "is_deleted": "gone",
                "comment": "text",
            },
            "constants": {"metric": "nps", "survey_type": "relational", "scale": "0-10"},
            "customer_source": "crm",
            "timezone": "UTC",
        },
        {
            "name": "crm",
            "entity": "customers",
            "files": "**/customers_*.csv",
            "snapshot_at": "customers_%Y%m%d.csv",
            "columns": {"customer_id": "customer"},
            "attributes": {"region": "region"},
            "timezone": "UTC",
        },
        {
            "name": "crm",
            "entity": "subscriptions",
            "files": "subscriptions_*.csv",
            "columns": {
                "subscription_id": "contract", "customer_id": "customer", "started_at": "start",
                "ended_at": "end", "mrr": "fee",
            },
            "timezone": "UTC",
        },
        {
            "name": "crm",
            "entity": "invoices",
            "files": "invoices_*.csv",
            "columns": {"invoice_id": "number", "customer_id": "customer", "invoiced_at": "day",
                        "amount": "amount"},
            "timezone": "UTC",
        },
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Version:
    """One delivered row of an answer; `changed` is the ISO text of its version, or empty."""

    answer: str
    customer: str
    score: str
    at: str
    changed: str = ""
    gone: str = ""

    @property
    def cells(self) -> list[str]:
        return [self.answer, self.customer, self.score, self.at, self.changed, self.gone, "text"]


def versions(rng: random.Random) -> list[list[Version]]:
    """For each answer its rows, in the order in which they happened."""
    found = []
    for number in range(90):
        at = datetime(2025, 1, 2) + timedelta(days=rng.randrange(350), hours=rng.randrange(24))
        first = Version(f"A{number}", rng.choice(CUSTOMERS), str(rng.randrange(11)), at.isoformat())

        def later(days: int, gone: str = "", first: Version = first, at: datetime = at) -> Version:
            score = str((int(first.score) + 3) % 11)
            changed = (at + timedelta(days=days)).isoformat()
            return Version(first.answer, first.customer, score, first.at, changed, gone)

        kind = number % 9
        found.append(
            [first]
            + {
                1: [first],  # delivered twice
                2: [later(1)],  # corrected
                3: [later(1), later(2)],  # corrected twice
                4: [later(1, "true")],  # deleted
                5: [later(2), later(1, "true")],  # deleted, and given again
                6: [Version(first.answer, "", "", "", "", "yes")],  # deleted, whenever
                7: [Version(first.answer, first.customer, "11", first.at)],  # a bad row beside it
                8: [Version(first.answer, first.customer, "0" if first.score != "0" else "9",
                            first.at)],  # two contents, no version
            }.get(kind, [])
        )  # fmt: skip
    return found


@dataclass(frozen=True)
class Deliveries:
    """What is delivered: by name below landing the text and its time; answers' rows by file."""

    files: dict[str, tuple[str, str]]
    rows: dict[str, list[Version]]
    regions: dict[str, dict[str, str]]  # snapshot's file -> customer -> region


def deliveries(seed: int = 7) -> Deliveries:
    rng = random.Random(seed)
    names = [f"answers_{number}.csv" for number in range(6)]
    rows: dict[str, list[Version]] = defaultdict(list)
    for history in versions(rng):
        for version in history:
            rows[rng.choice(names)].append(version)
    rows[LATE] = [Version("L1", "C1", "0", "2025-02-03T10:00:00")]
    files = {
        f"shop/{name}": (
            e2e.csv_text(HEADER, [row.cells for row in content]),
            "2026-01-02T06:00:00",
        )
        for name, content in rows.items()
    }
    regions = {}
    for day in SNAPSHOTS:
        name = f"crm/customers_{day}.csv"
        regions[name] = {customer: rng.choice(REGIONS) for customer in CUSTOMERS}
        text = e2e.csv_text(["customer", "region"], [list(pair) for pair in regions[name].items()])
        files[name] = (text, "2026-01-02T06:00:00")
    for number, modified in enumerate(("2025-11-01T06:00:00", "2025-12-01T06:00:00")):
        contracts = [
            [f"S{customer}", customer, "2025-01-01", "", str(10 * (number + 1))]
            for customer in CUSTOMERS[: 5 + number]
        ]
        text = e2e.csv_text(["contract", "customer", "start", "end", "fee"], contracts)
        files[f"crm/subscriptions_{number}.csv"] = (text, modified)
        bills = [
            [
                f"I{number}-{customer}",
                customer,
                f"2025-0{number + 3}-01",
                f"{rng.randrange(9999) / 100:.2f}",
            ]
            for customer in CUSTOMERS
        ]
        bills.append(["I0-C0", "C0", "2025-03-01", "1.11"])  # in both files
        files[f"crm/invoices_{number}.csv"] = (
            e2e.csv_text(["number", "customer", "day", "amount"], bills),
            modified,
        )
    return Deliveries(files, dict(rows), regions)


# --- what must come of it -----------------------------------------------------------------------


def counted(rows: list[Version]) -> Version | None:
    """The version of one answer that counts, or None."""
    good = [row for row in rows if row.gone or row.score != "11"]
    if any(row.gone and not row.changed for row in good):
        return None
    newest = [row for row in good if row.changed == max(row.changed for row in good)]
    if any(row.gone for row in newest) or len(set(newest)) != 1:
        return None
    return newest[0]


def _snapshot_at(name: str) -> str:
    return datetime.strptime(name, "crm/customers_%Y%m%d.csv").isoformat()


def region_at(row: Version, snapshots: dict[str, dict[str, str]]) -> str | None:
    """The region by the last snapshot before an answer; the first reaches back."""
    known = None
    for name in sorted(snapshots):
        if known is None or _snapshot_at(name) <= row.at:
            known = snapshots[name].get(row.customer)
    return known


def truth(
    found: Deliveries, delivered: set[str], as_of: str = ROUNDS[-1]
) -> dict[str, tuple[int, str, str | None]]:
    """Of the delivered files as of the end of a day: by answer its score, its time, its region."""
    end = (datetime.fromisoformat(as_of) + timedelta(days=1)).isoformat()
    by_answer: dict[str, list[Version]] = defaultdict(list)
    for name, rows in found.rows.items():
        if f"shop/{name}" in delivered:
            for row in rows:
                if max(row.at, row.changed) < end:
                    by_answer[row.answer].append(row)
    snapshots = {
        name: regions
        for name, regions in found.regions.items()
        if name in delivered and _snapshot_at(name) < end
    }
    winners = {answer: counted(rows) for answer, rows in by_answer.items()}
    return {
        answer: (int(row.score), row.at, region_at(row, snapshots))
        for answer, row in winners.items()
        if row
    }


def nps_by_quarter(answers: dict[str, tuple[int, str, str | None]]) -> dict[tuple[int, int], float]:
    """100 (promoters - detractors) / answers, by year and quarter."""
    scores = defaultdict(list)
    for score, at, _ in answers.values():
        month = datetime.fromisoformat(at).month
        scores[2025, (month + 2) // 3].append(100 if score >= 9 else -100 if score <= 6 else 0)
    return {quarter: sum(points) / len(points) for quarter, points in scores.items()}


# --- the workspaces -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Round:
    """What is published after a round: answers with score, time and region; NPS by quarter."""

    delivered: set[str]
    answers: dict[str, tuple[int, str, str | None]]
    quarters: dict[tuple[int, int], float]


def look(root: Path, delivered: set[str]) -> Round:
    answers = e2e.marts(
        root, "select response_id, score, responded_at, region from marts.fct_nps_responses"
    )
    quarters = e2e.marts(
        root,
        "select year(period_start), quarter(period_start), nps from marts.fct_nps_by_period "
        "where time_grain = 'quarter' and basis = 'responses'",
    )
    return Round(
        set(delivered),
        {answer: (score, at.isoformat(), region) for answer, score, at, region in answers},
        {(year, quarter): nps for year, quarter, nps in quarters},
    )


def hand_over(root: Path, found: Deliveries, names: list[str]) -> None:
    for name in names:
        text, modified = found.files[name]
        e2e.deliver(root, name, text, modified)


@pytest.fixture(scope="module")
def found() -> Deliveries:
    return deliveries()


@pytest.fixture(scope="module")
def at_once(found, tmp_path_factory):
    """All files in one delivery: the workspace and its generation."""
    root = e2e.declare(tmp_path_factory.mktemp("at_once"), SETTINGS)
    hand_over(root, found, list(found.files))
    return root, e2e.build(root, only=e2e.FACTS)


@pytest.fixture(scope="module")
def by_rounds(found, tmp_path_factory):
    """The files in another order over three rounds, the late answer last."""
    root = e2e.declare(tmp_path_factory.mktemp("by_rounds"), SETTINGS)
    names = [name for name in found.files if name != f"shop/{LATE}"]
    random.Random(11).shuffle(names)
    delivered: set[str] = set()
    rounds = []
    for number, as_of in enumerate(ROUNDS):
        last = number == len(ROUNDS) - 1
        some = names[number :: len(ROUNDS)] + ([f"shop/{LATE}"] if last else [])
        e2e.redeclare(root, as_of=as_of)
        hand_over(root, found, some)
        delivered |= set(some)
        generation = e2e.build(root, only=e2e.FACTS)
        rounds.append(look(root, delivered))
    return root, generation, rounds


def test_what_was_delivered_at_once_is_judged_by_the_rules(found, at_once):
    root, _ = at_once
    expected = truth(found, set(found.files))
    assert len(expected) > 50
    published = look(root, set(found.files))
    assert published.answers == expected
    assert published.quarters == pytest.approx(nps_by_quarter(expected))


@pytest.mark.parametrize("number", range(len(ROUNDS)))
def test_every_round_is_judged_by_what_was_there(found, by_rounds, number):
    _, _, rounds = by_rounds
    expected = truth(found, rounds[number].delivered, ROUNDS[number])
    assert rounds[number].answers == expected
    assert rounds[number].quarters == pytest.approx(nps_by_quarter(expected))


def test_80_a_late_answer_restates_its_closed_period(by_rounds):
    _, _, rounds = by_rounds
    assert "L1" not in rounds[-2].answers
    assert rounds[-1].answers["L1"][:2] == (0, "2025-02-03T10:00:00")
    assert rounds[-2].quarters[2025, 1] != rounds[-1].quarters[2025, 1]


def test_what_was_published_of_the_closed_period_stays_on_record(by_rounds):
    """As of June the first quarter was over, and the late answer not there; the third was not."""
    root, _, rounds = by_rounds
    rows = e2e.marts(
        root,
        "select quarter(period_start), strftime(first_as_of_on, '%Y-%m-%d'), first_nps, nps, "
        "change, is_restated from marts.nps_restatements "
        "where time_grain = 'quarter' and basis = 'responses' and year(period_start) = 2025",
    )
    for quarter, first_on, first, now, change, is_restated in rows:
        round_ = 0 if quarter <= 2 else 1
        assert first_on == ROUNDS[round_]
        assert first == pytest.approx(rounds[round_].quarters[2025, quarter])
        assert now == pytest.approx(rounds[-1].quarters[2025, quarter])
        assert change == pytest.approx(now - first)
        assert is_restated or first == now
    assert {row[0] for row in rows} == {1, 2, 3, 4}
    assert next(is_restated for quarter, *_, is_restated in rows if quarter == 1)


def test_any_order_of_deliveries_gives_the_same_tables(at_once, by_rounds):
    """Except the one that records what was published on the way."""
    first, second = (e2e.tables_of(root) for root in (by_rounds[0], at_once[0]))
    assert first.pop("marts.nps_restatements") != second.pop("marts.nps_restatements")
    assert first == second


def test_files_again_under_other_names_are_not_taken_in(found, by_rounds):
    """The lake stays as it is but for the record of what was seen, so that every table does."""
    root, _, _ = by_rounds
    before = e2e.lake_of(root)
    for name, (text, _) in found.files.items():
        path = Path(name)
        # a snapshot's day is read from its name
        copy = f"{path.stem}.csv" if path.stem.startswith("customers") else f"{path.stem}_again.csv"
        folder = path.parent / "again" if path.stem.startswith("customers") else path.parent
        e2e.deliver(root, str(folder / copy), text, "2026-03-04T05:06:07")
    e2e.take_in(root)
    after = e2e.lake_of(root)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert changed <= {"manifest/manifest.jsonl"}


def test_rows_again_in_other_bytes_are_duplicates(found, at_once):
    """Every answers' file again with its rows reversed: only the account of rows differs."""
    root, _ = at_once
    before = e2e.tables_of(root)
    for name, rows in found.rows.items():
        if len(rows) > 1:
            text = e2e.csv_text(HEADER, [row.cells for row in reversed(rows)])
            e2e.deliver(root, f"shop/{Path(name).stem}_turned.csv", text)
    e2e.build(root, only=e2e.FACTS)
    after = e2e.tables_of(root)
    for name in before.keys() - {"marts.ingest_reconciliation", "restricted.quarantined_rows"}:
        assert after[name] == before[name], name
    files = e2e.marts(
        root,
        "select sum(rows_delivered), sum(rows_accepted), sum(rows_duplicate) "
        "from marts.ingest_reconciliation where source = 'shop'",
    )
    ((delivered, accepted, duplicate),) = files
    expected = truth(found, set(found.files))
    turned = sum(len(rows) for rows in found.rows.values() if len(rows) > 1)
    assert delivered == turned + sum(len(rows) for rows in found.rows.values())
    assert accepted == len(expected)
    assert duplicate >= len(expected) - 1  # each accepted row but the late one came again
