"""A workspace to which everything crooked is delivered, and what must become of each row of it.

The numbers of the cases are those of the list of bad inputs that the project promises to bear. An
expectation stands beside its row: a reason, or cells of the published answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import e2e_support as e2e

# The folder's own name is as crooked: blanks, a quote, and what a template would take for its own.
FOLDER = "Jane's crooked {{ data }}"
AS_OF = "2025-12-31"
NBSP, ARABIC_NINE, WIDE_NINE = "\u00a0", "\u0669", "\uff19"
SCRIPT = "<script>alert(1)</script>"
BIDI = "evil\u202egnp\u200b.exe"
# Words for yes that mean a deletion.
DELETIONS = ("1.0", "x", "on", "ja", "TRUE", " yes ")
PERSONAL = "I am Jane Roe, call 555 0100 or write to jane.roe@mail.example"


@dataclass(frozen=True)
class Row:
    """One delivered row.

    Attributes:
        case: its number in the list and a word.
        cells: delivered cells by canonical column; the table's defaults fill the others.
        reason: why it is quarantined; None: it is not.
        found: cells of the published answer, by column of fct_nps_responses.
        raw: what quarantined_rows keeps of a cell where that is not the cell as delivered.
    """

    case: str
    cells: dict[str, str]
    reason: str | None = None
    found: dict[str, Any] = field(default_factory=dict)
    raw: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """One delivered CSV file of rows, and its entry in workspace.yml."""

    source: str
    entity: str
    columns: tuple[str, ...]
    defaults: dict[str, str]
    rows: tuple[Row, ...]
    entry: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The file's name below landing."""
        return f"{self.source}/{self.entity}.csv"

    @property
    def key(self) -> str:
        """The column that the case's number fills."""
        return self.columns[0]

    def placed(self) -> Iterator[tuple[int, Row, dict[str, str]]]:
        """(record number as a spreadsheet shows it, row, its cells)."""
        for number, row in enumerate(self.rows, start=2):
            cells = dict.fromkeys(self.columns, "")
            cells |= {self.key: f"{self.source}-{number}"} | self.defaults | row.cells
            yield number, row, cells

    def declared(self) -> dict[str, Any]:
        """The entry of workspace.yml; delivered columns are called `its <canonical>`."""
        return {
            "name": self.source,
            "entity": self.entity,
            "files": f"{self.entity}*.csv",
            "columns": {column: f"its {column}" for column in self.columns},
            **self.entry,
        }

    def text(self) -> str:
        """The file."""
        return e2e.csv_text(
            [f"its {column}" for column in self.columns],
            [list(cells.values()) for _, _, cells in self.placed()],
        )

    def raw_text(self, row: Row, cells: dict[str, str]) -> dict[str, str]:
        """What quarantined_rows must have kept: the filled cells, and the entry's constants."""
        kept = {name: cell for name, cell in cells.items() if cell} | self.entry.get(
            "constants", {}
        )
        kept |= {name: self._as_kept(name, cell) for name, cell in kept.items()}
        kept |= row.raw
        return {name: cell for name, cell in kept.items() if cell is not None}

    def _as_kept(self, name: str, cell: str) -> str:
        """A time that reads as declared is kept as ISO 8601 in UTC."""
        if cell == self.defaults.get(name) and name.endswith("_at"):
            return DEFAULT_KEPT
        return cell


NOON = "2025-05-10 12:00:00"  # in Brussels, in summer: 10:00 UTC
DEFAULT_KEPT = "2025-05-10T10:00:00.000000Z"


def at(text: str) -> datetime:
    """A naive instant in UTC, as DuckDB returns it."""
    return datetime.fromisoformat(text)


def _scores() -> Iterator[Row]:
    whole, out = "score_not_a_whole_number", "score_out_of_range"
    yield Row("40 empty", {"score": ""}, "score_missing")
    yield Row("40 blanks", {"score": "  "}, "score_missing")
    yield Row("54 NaN", {"score": "NaN"}, "score_missing")
    for case, score in (
        ("41", "N/A"), ("42", "10/10"), ("43", "9,0"), ("44", "8.5"), ("45", "1e1"), ("46", "0x9"),
        ("47", "9_0"), ("48 NBSP", f"9{NBSP}"), ("49 Arabic", ARABIC_NINE),
        ("50 full width", WIDE_NINE), ("53", "true"), ("55", "inf"), ("56", "ten"),
        ("58", "10-Sep"), ("44 half of a whole", "9."), ("44 nearly", "9.0000001"), ("52 two signs", "--9"),
        ("46 letter", "9a"), ("34 two lines", "9\n9"), ("85 formula", "=9"),
    ):  # fmt: skip
        yield Row(f"{case} {score!r}", {"score": score}, whole)
    for case, score in (("51", "11"), ("52", "-1"), ("51 huge", "9" * 30), ("51 100", "100")):
        yield Row(f"{case} {score!r}", {"score": score}, out)
    for case, score, number in (
        ("59", " 9 ", 9), ("60", "9.0", 9), ("60", "09", 9), ("60", "+9", 9), ("60", "9.000", 9),
        ("least", "0", 0), ("most", "10", 10),
    ):  # fmt: skip
        yield Row(f"{case} {score!r}", {"score": score}, found={"score": number})
    for score, nps_class in ((6, "detractor"), (7, "passive"), (8, "passive"), (9, "promoter")):
        yield Row(f"class of {score}", {"score": str(score)}, found={"nps_class": nps_class})


def _scales() -> Iterator[Row]:
    yield Row(
        "57 five of five",
        {"survey_id": "S5", "score": "5"},
        found={"metric": "enps", "scale": "1-5", "nps_class": "promoter", "score": 5},
    )
    yield Row("57 nine of five", {"survey_id": "S5", "score": "9"}, "score_out_of_range")
    yield Row("57 zero of five", {"survey_id": "S5", "score": "0"}, "score_out_of_range")
    yield Row("57 says another", {"scale": "1-5"}, "another_scale")
    yield Row("57 a pair nobody knows", {"survey_id": "S7"}, "unknown_scale")
    yield Row("57 no survey, no scale", {"survey_id": "S404"}, "unknown_scale")


def _times() -> Iterator[Row]:
    def time(case: str, text: str, utc: str, day: str | None = None) -> Row:
        found: dict[str, Any] = {"responded_at": at(utc)}
        if day:
            found["responded_on"] = datetime.fromisoformat(day).date()
        return Row(case, {"submitted_at": text}, found=found)

    def bad(case: str, text: str, reason: str, kept: str | None = None) -> Row:
        return Row(case, {"submitted_at": text}, reason, raw={"submitted_at": kept or text})

    yield time("61 offset", "2025-05-10T12:00:00+05:30", "2025-05-10T06:30:00", "2025-05-10")
    yield time("61 Z", "2025-05-10T22:30:00Z", "2025-05-10T22:30:00", "2025-05-11")
    yield time("62 the entry's zone", NOON, "2025-05-10T10:00:00")
    yield time("62 in winter", "2025-01-10 12:00:00", "2025-01-10T11:00:00")
    yield time("62 a day", "2025-05-10", "2025-05-09T22:00:00", "2025-05-10")
    yield bad("63 skipped hour", "2025-03-30 02:30:00", "nonexistent_local_time")
    yield time("63 an hour before", "2025-03-30 01:30:00", "2025-03-30T00:30:00")
    yield time("63 an hour after", "2025-03-30 03:30:00", "2025-03-30T01:30:00")
    yield time("64 earlier of two", "2025-10-26 02:30:00", "2025-10-26T00:30:00")
    yield time("64 the later by its offset", "2025-10-26T02:30:00+01:00", "2025-10-26T01:30:00")
    yield bad("65 another order", "10/05/2025", "bad_timestamp")
    yield bad("66 Excel serial", "45787", "bad_timestamp")
    yield bad("67 epoch, not declared", "1746871200", "bad_timestamp")
    yield bad("68 as of, to the second", "2026-01-01 00:00:00", "future",
              "2025-12-31T23:00:00.000000Z")  # fmt: skip
    yield time("68 a second before", "2025-12-31 23:59:59", "2025-12-31T22:59:59", "2025-12-31")
    yield bad("68 next year", "2026-03-01T08:00:00Z", "future", "2026-03-01T08:00:00.000000Z")
    yield bad("69", "1999-06-30 12:00:00", "too_old", "1999-06-30T10:00:00.000000Z")
    yield time("69 just in range", "2000-01-02 12:00:00", "2000-01-02T11:00:00")
    yield bad("70", "2025-02-29 12:00:00", "bad_timestamp")
    yield time("70 of a leap year", "2024-02-29 12:00:00", "2024-02-29T11:00:00")
    yield bad("hour 25", "2025-02-28 25:00:00", "bad_timestamp")
    yield bad("no time at all", "yesterday", "bad_timestamp")
    yield Row("none", {"submitted_at": ""}, "missing_timestamp", raw={"submitted_at": None})
    yield Row("71", {"invitation_id": "I1", "submitted_at": "2025-04-30 12:00:00"},
              "answered_before_sent", raw={"submitted_at": "2025-04-30T10:00:00.000000Z"})  # fmt: skip
    yield Row("71 at once", {"invitation_id": "I1", "submitted_at": "2025-05-01 12:00:00"},
              found={"responded_at": at("2025-05-01T10:00:00")})  # fmt: skip
    yield Row("bad version", {"updated_at": "soon"}, "bad_timestamp")
    yield Row("version of the future", {"updated_at": "2026-02-01 12:00:00"}, "future",
              raw={"updated_at": "2026-02-01T11:00:00.000000Z"})  # fmt: skip


def _rows() -> Iterator[Row]:
    yield Row("39 no id", {"response_id": ""}, "missing_id")
    yield Row("39 a tombstone of nobody", {"response_id": "", "is_deleted": "true"}, "missing_id")
    yield Row(
        "39 a blank", {"response_id": f" {NBSP}\u200b"}, "missing_id", raw={"response_id": None}
    )
    yield Row("test", {"is_test": "Yes"}, "test_answer")
    yield Row("no test", {"is_test": "no"}, found={"score": 9})
    yield Row("83 X", {"is_test": "X"}, "test_answer")
    yield Row(
        "83 another language's no", {"is_deleted": "nein", "is_test": "non"}, found={"score": 9}
    )
    for word in DELETIONS:
        yield Row(f"83 {word!r}", {"is_deleted": word, "score": "", "submitted_at": ""})
    yield Row("83 neither yes nor no", {"is_deleted": "perhaps"}, "bad_value")
    yield Row("83 a word for something else", {"is_test": "deleted"}, "bad_value")
    yield Row("a partial answer", {"is_test": "Partial", "score": ""}, "incomplete_answer")
    yield Row("a complete answer", {"is_test": " Complete "}, found={"score": 9})
    yield Row("96 personal data", {"comment": PERSONAL}, found={"score": 9})
    yield Row("38 one of two", {"response_id": "R38", "score": "9"}, "conflicting_duplicate")
    yield Row("38 two of two", {"response_id": "R38", "score": "2"}, "conflicting_duplicate")
    yield Row("37 once", {"response_id": "R37"}, found={"score": 9})
    yield Row("81 newer", {"response_id": "R81", "updated_at": "2025-05-12", "score": "3"},
              found={"score": 3})  # fmt: skip


CUSTOMERS = e2e.csv_text(
    ["customer_id", "email", "region", "churned_at"],
    [
        ["C1", "jane@example.com", "north", ""],
        ["C2", "joe+nps@example.com", "south", ""],
        ["C3", "shared@example.com", "west", ""],
        ["C4", "shared@example.com", "west", ""],
        ["C5", "gone@example.com", "east", "2025-02-01"],
        ["C6", "mover@example.com", "north", ""],
    ],
)
MOVED = e2e.csv_text(
    ["customer_id", "email", "region", "churned_at"], [["C6", "mover@example.com", "south", ""]]
)
FUTURE = e2e.csv_text(
    ["customer_id", "email", "region", "churned_at"], [["C2", "joe+nps@example.com", "moon", ""]]
)


def _identities() -> Iterator[Row]:
    def known(case: str, customer: str | None, **cells: str) -> Row:
        return Row(case, cells, found={"customer": customer, "score": 9})

    yield known("by id", "C1", customer_id="C1")
    yield known("72 case and blanks", "C1", email=" JANE@Example.COM ")
    yield known("72 NFKC", "C1", email="ｊａｎｅ@example.com")
    yield known("73 plus kept", "C2", email="joe+nps@example.com")
    yield known("73 plus not dropped", None, email="jane+nps@example.com")
    yield known("74 no e-mail", None, email="jane at example.com")
    yield known("75 two hold it", None, email="shared@example.com")
    yield known("75 by id all the same", "C3", customer_id="C3", email="shared@example.com")
    yield known("76 unknown to the CRM", "C404", customer_id="C404")
    yield known("76 unknown, with an address", "C1", customer_id="C405", email="jane@example.com")
    yield Row("77 before the move", {"customer_id": "C6", "submitted_at": "2025-05-31 12:00:00"},
              found={"customer": "C6", "region": "north"})  # fmt: skip
    yield Row("77 after the move", {"customer_id": "C6", "submitted_at": "2025-06-01 12:00:00"},
              found={"customer": "C6", "region": "south"})  # fmt: skip
    yield Row("77 its own word wins", {"customer_id": "C6", "region": "islands"},
              found={"customer": "C6", "region": "islands"})  # fmt: skip
    yield known("78 after churn", "C5", customer_id="C5")


ANSWER = ("response_id", "score", "submitted_at", "updated_at", "is_deleted", "is_test", "survey_id",
          "scale", "invitation_id", "customer_id", "email", "comment", "channel", "touchpoint")  # fmt: skip
NOBODY = "nobody"
NPS = {"metric": "nps", "survey_type": "relational", "scale": "0-10"}
BRUSSELS = {"timezone": "Europe/Brussels"}

SHOP = Table(
    "shop",
    "survey_responses",
    (*ANSWER, "region"),
    {"score": "9", "submitted_at": NOON, "survey_id": "S10"},
    (
        *_scores(),
        *_scales(),
        *_times(),
        *_rows(),
        *_identities(),
    ),
    {**BRUSSELS, "customer_source": "crm"},
)
FORMATS = tuple(
    Table(
        source,
        "survey_responses",
        ("response_id", "score", "submitted_at"),
        {"score": "9"},
        rows,
        {**entry, "constants": NPS},
    )
    for source, entry, rows in (
        (
            "slashes",
            {**BRUSSELS, "timestamps": {"submitted_at": ["%d/%m/%Y %H:%M", "%d/%m/%Y"]}},
            (
                Row("65 d/m", {"submitted_at": "03/04/2025 10:00"},
                    found={"responded_at": at("2025-04-03T08:00:00")}),
                Row("65 d/m, a day", {"submitted_at": "03/04/2025"},
                    found={"responded_at": at("2025-04-02T22:00:00")}),
                Row("65 m/d", {"submitted_at": "04/13/2025 10:00"}, "bad_timestamp"),
                Row("65 ISO, not declared", {"submitted_at": "2025-04-03"}, "bad_timestamp"),
                Row("70 d/m", {"submitted_at": "29/02/2025"}, "bad_timestamp"),
                Row("66 d/m", {"submitted_at": "45787"}, "bad_timestamp"),
            ),
        ),
        (
            "serials",
            {**BRUSSELS, "timestamps": {"submitted_at": "excel"}},
            (
                Row("66 declared", {"submitted_at": "45787.5"},
                    found={"responded_at": at("2025-05-10T10:00:00")}),
                Row("66 a day", {"submitted_at": "45787"},
                    found={"responded_at": at("2025-05-09T22:00:00")}),
                Row("66 ISO as a serial", {"submitted_at": "2025-05-10"}, "bad_timestamp"),
            ),
        ),
        (
            "seconds",
            {"timestamps": {"submitted_at": "epoch_s"}},
            (
                Row("67 seconds", {"submitted_at": "1746871200"},
                    found={"responded_at": at("2025-05-10T10:00:00")}),
                Row("67 milliseconds as seconds", {"submitted_at": "1746871200000"}, "bad_timestamp"),
                Row("67 ISO as seconds", {"submitted_at": "2025-05-10"}, "bad_timestamp"),
            ),
        ),
        (
            "millis",
            {"timestamps": {"submitted_at": "epoch_ms"}},
            (
                Row("67 milliseconds", {"submitted_at": "1746871200123"},
                    found={"responded_at": at("2025-05-10T10:00:00.123")}),
                Row("67 seconds as milliseconds", {"submitted_at": "1746871200"}, "too_old",
                    raw={"submitted_at": "1970-01-21T05:14:31.200000Z"}),
            ),
        ),
        (
            "zoneless",
            {},
            (
                Row("62 naive, no zone declared", {"submitted_at": NOON},
                    found={"responded_at": at("2025-05-10T10:00:00")}),
            ),
        ),
    )
)  # fmt: skip

OTHERS = (
    Table(
        "crm",
        "invoices",
        ("invoice_id", "customer_id", "invoiced_at", "amount", "currency", "kind"),
        {"customer_id": "C1", "invoiced_at": NOON, "amount": "10.00"},
        (
            Row("79 another currency", {"currency": "USD"}, "unknown_currency"),
            Row("79 none named", {}),
            Row("79 the workspace's", {"currency": " eur "}),
            Row("no number", {"amount": "1O.00"}, "bad_number"),
            Row("grouped", {"amount": "1,000.00"}, "bad_number"),
            Row("NaN", {"amount": "NaN"}, "bad_number"),
            Row("infinite", {"amount": "1e999"}, "bad_number"),
            Row("no amount", {"amount": ""}, "missing_required"),
            Row("no customer", {"customer_id": ""}, "missing_required"),
            Row("39 no id", {"invoice_id": ""}, "missing_id"),
            Row("unknown kind", {"kind": "gift"}, "bad_value"),
            Row(
                "68",
                {"invoiced_at": "2026-01-02 12:00:00"},
                "future",
                raw={"invoiced_at": "2026-01-02T11:00:00.000000Z"},
            ),
            Row(
                "69",
                {"invoiced_at": "1999-01-02 12:00:00"},
                "too_old",
                raw={"invoiced_at": "1999-01-02T11:00:00.000000Z"},
            ),
            Row("negative", {"amount": "-5.5", "kind": "refund"}),
        ),
        BRUSSELS,
    ),
    Table(
        "crm",
        "subscriptions",
        ("subscription_id", "customer_id", "started_at", "ended_at", "mrr"),
        {"customer_id": "C1", "started_at": NOON, "mrr": "20"},
        (
            Row("70", {"started_at": "2025-02-29"}, "bad_timestamp"),
            Row("no start", {"started_at": ""}, "missing_timestamp", raw={"started_at": None}),
            Row("bad end", {"ended_at": "31.12.2025"}, "bad_timestamp"),
            Row("ends later", {"ended_at": "2026-06-30"}),
            Row("no number", {"mrr": "free"}, "bad_number"),
        ),
        BRUSSELS,
    ),
    Table(
        "crm",
        "mrr_movements",
        ("customer_id", "moved_at", "kind", "amount"),
        {"customer_id": "C1", "moved_at": NOON, "kind": "new", "amount": "20"},
        (
            Row("unknown kind", {"kind": "upsell"}, "bad_value"),
            Row("no kind", {"kind": ""}, "missing_required"),
            Row("right", {}),
        ),
        BRUSSELS,
    ),
    Table(
        "crm",
        "product_usage",
        ("customer_id", "used_on", "quantity", "feature"),
        {"customer_id": "C1", "used_on": "2025-05-10", "quantity": "3"},
        (
            Row("no number", {"quantity": "many"}, "bad_number"),
            Row("70", {"used_on": "2025-02-30"}, "bad_timestamp"),
            Row("68 the day after", {"used_on": "2026-01-01"}, "future"),
            Row("68 the day itself", {"used_on": "2025-12-31"}),
        ),
    ),
    Table(
        "shop",
        "survey_invitations",
        ("invitation_id", "sent_at", "customer_id", "survey_id"),
        {"sent_at": NOON, "customer_id": "C1", "survey_id": "S10"},
        (
            Row("the one of 71", {"invitation_id": "I1", "sent_at": "2025-05-01 12:00:00"}),
            Row("39 no id", {"invitation_id": ""}, "missing_id"),
            Row("not sent", {"sent_at": ""}, "missing_timestamp", raw={"sent_at": None}),
        ),
        {**BRUSSELS, "customer_source": "crm"},
    ),
    Table(
        "shop",
        "support_tickets",
        ("ticket_id", "customer_id", "opened_at"),
        {"customer_id": "C1", "opened_at": NOON},
        (
            Row("39 no id", {"ticket_id": ""}, "missing_id"),
            Row("no customer", {"customer_id": ""}, "missing_required"),
        ),
        {**BRUSSELS, "customer_source": "crm"},
    ),
)
TABLES = (SHOP, *FORMATS, *OTHERS)
SURVEYS = json.dumps(
    [
        {"id": "S10", "name": f"{SCRIPT} {{{{ 7 * 7 }}}}", **NPS},
        {"id": "S5", "name": "five", "metric": "enps", "survey_type": "relational", "scale": "1-5"},
        {"id": "S7", "name": "seven", "metric": "nps", "survey_type": "relational", "scale": "1-7"},
    ]
)
# What later deliveries of `shop` correct; by time of delivery nothing must depend on it.
LATER = e2e.csv_text(
    [f"its {column}" for column in SHOP.columns],
    [
        [{**cells, "response_id": number, **changes}.get(column, "") for column in SHOP.columns]
        for number, changes in (
            ("R37", {}),  # 37: the identical duplicate
            ("R81", {"updated_at": "2025-05-11", "score": "8"}),  # 82: the older version, later
            ("R83", {"updated_at": "2025-05-11", "score": "8"}),
            ("R83", {"updated_at": "2025-05-12", "is_deleted": "true"}),  # 83: a tombstone
            ("R84", {"is_deleted": "1"}),  # 84: a tombstone without a version, before its insert
            ("R84", {"updated_at": "2025-05-12", "score": "8"}),
        )
        for cells in ({"score": "9", "submitted_at": NOON, "survey_id": "S10"},)
    ],
)

# An answer that is known already, in other bytes: one more row to account for, and no other change.
MORE = e2e.csv_text(
    [f"its {column}" for column in SHOP.columns],
    [[{**SHOP.defaults, "response_id": "R37"}.get(column, "") for column in SHOP.columns]] * 2,
)
# An address where a segment belongs: a mapping that points to the wrong column.
LEAKED = "jane.secret@example.com"
LEAKING = e2e.csv_text(
    ["customer_id", "email", "region", "churned_at"], [["C1", "jane@example.com", LEAKED, ""]]
)

# --- payloads -----------------------------------------------------------------------------------

# Cells that are text and nothing else, whatever a program further on may make of them (85-97).
PAYLOADS = {
    "85 formula": "=HYPERLINK(\"http://198.51.100.7\",\"x\")",
    "86 plus": "+1+cmd|' /C calc'!A0",
    "87 minus": "-2+3",
    "88 at": "@SUM(1)",
    "89 tab": "a\tb",
    "89 CR": "a\rb",
    "90 script": SCRIPT,
    "90 image": "\"><img src=x onerror=alert(1)>",
    "91 Jinja": "{{ env_var('HOME') }}{% raw %}",
    "91 template": "${7*7} #{7*7} %s %(x)s {0}",
    "92 SQL": "'; drop table marts.dim_customers; --",
    "92 quotes": "\"double\" 'single' `back` \\",
    "94 path": "../../../../etc/passwd",
    "95 bidi": BIDI,
    "95 zero width": "a\u200db\ufeffc",
    "97 ANSI": "\x1b[2J\x1b[31mNPS 100",
    "97 two lines": "first\n2026-01-01 published  generation forged",
    "text like NULL": "NULL",
    "text like none": "(unknown)",
    "emoji": "👍🏽",
}  # fmt: skip
ODD_COLUMNS = (
    "response_id",
    "score",
    "submitted_at",
    "customer_id",
    "touchpoint",
    "comment",
    "region",
)
ODD = e2e.csv_text(
    ODD_COLUMNS,
    [[text, "9", NOON, text, text, text, text] for text in PAYLOADS.values()],
)
ODD_FILE = "odd/{{ 7*7 }} $(id) '; drop [a-z]* \u202etxt.csv"

# --- files --------------------------------------------------------------------------------------

_HEADER = b"id,nps,date,text\n"
_GOOD = _HEADER + b"%d,9,2025-01-02,fine\n"


@dataclass(frozen=True)
class Odd:
    """A delivered file: its bytes, why it is quarantined or None, and its rows as they count."""

    content: bytes
    reason: str | None
    rows: int


FILES = {
    "01 empty.csv": Odd(b"", "empty_file", 0),
    "02 header.csv": Odd(_HEADER, "header_only", 0),
    "03 page.csv": Odd(b"<!DOCTYPE html>\n<html><body>502 Bad Gateway</body></html>\n", "not_a_table", 1),
    "03 error.csv": Odd(b'{"error": "rate limited"}\n', "not_a_table", 0),
    "04 utf-16.csv": Odd((_GOOD % 4).decode().encode("utf-16-le"), "utf16_without_bom", 0),
    "06 cp1252.csv": Odd(_HEADER + "6,9,2025-01-02,5 €\n".encode("cp1252"), "encoding_mismatch", 1),
    "09 nul.csv": Odd(_HEADER + b"9,9,2025-01-02,a\0b\n", "nul_byte", 1),
    "10 quote.csv": Odd(_GOOD % 10 + b'11,9,2025-01-02,"open\n12,9,2025-01-02,x\n', "unclosed_quote", 3),
    "11 semicolons.csv": Odd((_GOOD % 11).replace(b",", b";"), "wrong_delimiter", 1),
    "12 twice.csv": Odd(b"id,nps,date,text,text\n12,9,2025-01-02,a,b\n", "duplicate_header", 1),
    "13 missing.csv": Odd(b"id,nps,date\n13,9,2025-01-02\n14,9,2025-01-02\n", "missing_column", 2),
    "14 renamed.csv": Odd(b"id,score,date,text\n14,9,2025-01-02,x\n", "missing_column", 1),
    "17 zip.csv": Odd(b"PK\x03\x04" + b"\0" * 60, "compressed_file", 0),
    "22 bom.csv": Odd(b"\xef\xbb\xbf" + _GOOD % 22, None, 1),
    "23 utf-16 with bom.csv": Odd((_GOOD % 23).decode().encode("utf-16"), None, 1),
    "25 line ends.csv": Odd(_GOOD % 25 + b"251,9,2025-01-02,x\r\n252,9,2025-01-02,x\n", None, 3),
    "26 reordered.csv": Odd(b"text,date,nps,id\nfine,2025-01-02,9,26\n", None, 1),
    "27 case.csv": Odd(b" ID ,Nps,DATE,Text\n27,9,2025-01-02,fine\n", None, 1),
    "28 it's [a-z]*?.csv": Odd(_GOOD % 28, None, 1),
    "29 extra.csv": Odd(b"id,nps,date,text,device\n29,9,2025-01-02,fine,phone\n", None, 1),
    "32 rows.csv": Odd(
        _GOOD % 32  # record 2
        + b"320,9,2025-01-02\n"  # 3: too few cells
        + b"id,nps,date,text\n"  # 4: the header again
        + b'321,9,2025-01-02,"two\nlines, and ""quotes"""\n'  # 5, over two lines
        + b"\n"  # 6: blank
        + b"322,9,2025-01-02,fine,more\n"  # 7: too many
        + b"323,9,2025-01-02,last\n",
        None,
        6,
    ),
}  # fmt: skip
# (record number, reason, raw text) of the last one.
BROKEN_ROWS = [
    (3, "wrong_width", "320,9,2025-01-02"),
    (4, "repeated_header", "id,nps,date,text"),
    (7, "wrong_width", "322,9,2025-01-02,fine,more"),
]
LINK = "19 link.csv"


def settings() -> dict[str, Any]:
    """The content of workspace.yml."""
    sources = [table.declared() for table in TABLES]
    sources[0]["columns"].pop("region")
    sources[0]["attributes"] = {"region": "its region"}
    return {
        "version": 1,
        "as_of": AS_OF,
        "timezone": "Europe/Brussels",
        "currency": "EUR",
        "segments": ["region"],
        "min_group_size": 1,
        "max_quarantine_rate": 1,  # all but everything here is broken, on purpose
        "headline": {"metric": "nps", "survey_type": "relational"},
        "sources": [
            *sources,
            {
                "name": "shop",
                "entity": "surveys",
                "files": "surveys.json",
                "format": {"type": "json"},
                "columns": {
                    "survey_id": "id",
                    **{name: name for name in ("name", "metric", "survey_type", "scale")},
                },
            },
            {
                "name": "crm",
                "entity": "customers",
                "files": "customers_*.csv",
                "snapshot_at": "customers_%Y%m%d.csv",
                "timezone": "Europe/Brussels",
                "columns": {name: name for name in ("customer_id", "email", "churned_at")},
                "attributes": {"region": "region"},
            },
            {
                "name": "odd",
                "entity": "survey_responses",
                "files": "*.csv",
                "timezone": "Europe/Brussels",
                "columns": {name: name for name in ODD_COLUMNS[:-1]},
                "attributes": {"region": "region"},
                "constants": NPS,
            },
            {
                "name": "files",
                "entity": "survey_responses",
                "files": "*.csv",
                "columns": {"response_id": "id", "score": "nps", "submitted_at": "date",
                            "comment": "text"},
                "constants": {**NPS, "survey_type": "files"},
                "timezone": "UTC",
            },
        ],
    }  # fmt: skip


def settings_of_no_row() -> dict[str, Any]:
    """The same with one source more, whose files may be empty."""
    nobody = {
        "name": NOBODY,
        "entity": "survey_responses",
        "files": "*.csv",
        "format": {"allow_empty": True},
        "columns": {"response_id": "id", "score": "nps", "submitted_at": "date"},
        "constants": NPS,
    }
    content = settings()
    return content | {"sources": [*content["sources"], nobody]}


def deliver(root: Path) -> None:
    """Fill landing."""
    for table in TABLES:
        e2e.deliver(root, table.name, table.text())
    e2e.deliver(root, "shop/survey_responses_2.csv", LATER)
    e2e.deliver(root, "shop/surveys.json", SURVEYS)
    e2e.deliver(root, "crm/customers_20250101.csv", CUSTOMERS)
    e2e.deliver(root, "crm/customers_20250601.csv", MOVED)
    e2e.deliver(root, "crm/customers_20260601.csv", FUTURE)
    e2e.deliver(root, ODD_FILE, ODD)
    for name, odd in FILES.items():
        e2e.deliver(root, f"files/{name}", odd.content)
    e2e.deliver(root, "files/30 again.csv", FILES["22 bom.csv"].content)
    outside = root.parent / "outside.csv"
    outside.write_bytes(_GOOD % 19)
    (root / "landing/files" / LINK).symlink_to(outside)
