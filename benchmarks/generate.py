"""Write a workspace of any size: ``python -m benchmarks.generate DIR N [--format parquet]``.

N answers of N/5 customers in two years, as a CRM and a survey tool would deliver them: files of
each quarter, with corrections, duplicates, tombstones, late answers and bad rows among them. Every
row is a function of its number and of the seed (``generate.sql``), so that DuckDB writes a million
answers in seconds and a hundred million in the same memory. ``--day 1`` writes what one day later
brings.
"""

from __future__ import annotations

import argparse
from datetime import date, timedelta
from pathlib import Path

import duckdb
import yaml

MACROS = Path(__file__).with_name("generate.sql")
AS_OF = date(2025, 12, 31)
QUARTERS = 8
EXPORTS = (date(2024, 1, 1), date(2024, 9, 1), date(2025, 5, 1), date(2025, 12, 31))
SUBSCRIPTION_EXPORTS = (date(2024, 9, 1), date(2025, 12, 31))
SURVEYS = """\
id,title,metric,kind,scale,about
relational,How we do,nps,relational,0-10,
after_support,After a call,nps,transactional,0-10,support
"""
# What comments are cut from.
PROSE = (
    "The invoice came late again, and nobody could tell me why; still, those on the phone were "
    "kind and knew what they were talking about. I would like the export to work with our own "
    "tools, without having to ask for it every month. Setting it up took two days instead of one "
    "hour, but since then it has simply worked, which is more than I can say of the one before. "
    "Prices went up by a third this year, and we were told a week before, not a quarter before. "
    "My team opens the app every morning; on the train it is too slow to be of use. They answer "
    "within the hour and solves the matter the first time, so I have stopped looking elsewhere. "
    "The new screens are easier on the eyes, harder on the fingers: three clicks for what was one. "
    "We moved five offices to it last spring, and only one of them asked to go back. What I miss "
    "most is a way to see what my colleagues changed, and when, before a customer tells me. "
)
SOURCES = {
    ("crm", "customers"): {
        "columns": {
            "customer_id": "customer_no",
            "email": "email",
            "account_id": "account_no",
            "name": "full_name",
            "signed_up_at": "customer_since",
            "churned_at": "left_on",
        },
        "attributes": {"region": "region", "plan": "plan"},
    },
    ("crm", "subscriptions"): {
        "columns": {
            "subscription_id": "subscription",
            "customer_id": "customer_no",
            "started_at": "started",
            "ended_at": "ended",
            "plan": "plan",
            "mrr": "fee",
            "currency": "currency",
        },
    },
    ("crm", "invoices"): {
        "columns": {
            "invoice_id": "invoice_no",
            "customer_id": "customer_no",
            "invoiced_at": "day",
            "amount": "amount",
            "currency": "currency",
            "kind": "kind",
        },
    },
    ("pulse", "responses"): {
        "columns": {
            "response_id": "id",
            "survey_id": "survey",
            "invitation_id": "invitation",
            "customer_id": "customer",
            "email": "email",
            "score": "score",
            "submitted_at": "submitted",
            "updated_at": "updated",
            "comment": "comment",
            "channel": "channel",
            "language": "language",
            "is_deleted": "deleted",
        },
    },
    ("pulse", "invitations"): {
        "columns": {
            "invitation_id": "invitation",
            "survey_id": "survey",
            "customer_id": "customer",
            "channel": "channel",
            "sent_at": "sent",
            "delivered_at": "delivered",
            "opened_at": "opened",
            "bounced_at": "bounced",
        },
    },
    ("pulse", "surveys"): {
        "columns": {
            "survey_id": "id",
            "name": "title",
            "metric": "metric",
            "survey_type": "kind",
            "scale": "scale",
            "touchpoint": "about",
        },
    },
}
_ENTITIES = {"responses": "survey_responses", "invitations": "survey_invitations"}
_ANSWER = ", ".join(SOURCES["pulse", "responses"]["columns"].values())


def settings(as_of: date = AS_OF, form: str = "csv") -> dict[str, object]:
    """The content of ``workspace.yml``."""
    return {
        "version": 1,
        "as_of": as_of,
        "timezone": "Europe/Brussels",
        "currency": "EUR",
        "segments": ["region", "plan"],
        "headline": {"metric": "nps", "survey_type": "relational"},
        "sources": [
            {
                "name": source,
                "entity": _ENTITIES.get(what, what),
                "files": f"{what}_*.{'csv' if what == 'surveys' else form}",
                "format": {"type": "csv" if what == "surveys" else form},
                "timezone": "Europe/Brussels",
                "customer_source": "crm",
                "snapshot_at": f"{what}_%Y%m%d.{'csv' if what == 'surveys' else form}",
                **mapping,
            }
            for (source, what), mapping in SOURCES.items()
        ],
    }


class _Writer:
    """Writes files below a workspace's landing from queries on the macros of ``generate.sql``."""

    def __init__(self, target: Path, answers: int, seed: int, form: str) -> None:
        if answers < 80 or answers % 40:
            raise ValueError("the number of answers is a multiple of 40, from 80 on")
        self.target, self.form = target, form
        self.answers, self.per_quarter = answers, answers // QUARTERS
        self.silent_per_quarter = 3 * answers // 10 // QUARTERS
        self.per_day = max(answers // 1000, 10)
        self._tables = 0
        self._connection = duckdb.connect()
        self._connection.execute("set TimeZone = 'UTC'")
        for name, value in {
            "answers": answers,
            "customers": answers // 5,
            "per_quarter": self.per_quarter,
            "per_day": self.per_day,
            "seed": seed,
            "prose": PROSE,
        }.items():
            self._connection.execute(f"set variable {name} = $value", {"value": value})
        self._connection.execute(MACROS.read_text(encoding="utf-8"))

    def write(self, source: str, what: str, day: date, query: str) -> None:
        """Write one delivery; its day is in the file's name."""
        folder = self.target / "landing" / source
        folder.mkdir(parents=True, exist_ok=True)
        path = str(folder / f"{what}_{day:%Y%m%d}.{self.form}").replace("'", "''")
        options = "format csv, header" if self.form == "csv" else "format parquet, compression zstd"
        self._connection.execute(f"copy ({query}) to '{path}' ({options})")

    def declare(self, as_of: date) -> None:
        """Write workspace.yml and the surveys."""
        text = yaml.safe_dump(settings(as_of, self.form), sort_keys=False)
        (self.target / "workspace.yml").write_text(text, encoding="utf-8")
        path = self.target / "landing" / "pulse" / "surveys_20240101.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SURVEYS, encoding="utf-8")

    def numbers(self, first: int, last: int, condition: str = "true", step: int = 1) -> str:
        """Make a table of those numbers i for which the condition holds; its name, quoted.

        Rows are computed from a table, not from `range`: in parallel, and of these numbers only.
        """
        self._tables += 1
        self._connection.execute(
            f"create temp table numbers_{self._tables} as "
            f"select i from (select range as i from range({first}, {last}, {step})) "
            f"where {condition}"
        )
        return f"'numbers_{self._tables}'"

    def quarter(self, quarter: int) -> None:
        """Write what a quarter brings: answers, invitations, invoices."""
        size, is_last = self.per_quarter, quarter == QUARTERS - 1
        own = (quarter * size, (quarter + 1) * size)
        before = (own[0] - size, own[0])
        parts = [(_ANSWER, own, "true" if is_last else "not is_late(i)")]
        if quarter:
            parts.append((_ANSWER, before, "is_late(i)"))
        # what goes wrong with an answer is delivered with it or in the next file
        soon = "iso(submitted_at + to_seconds(60 + pick(i, 'soon', 3500)))"
        begins = f"cast(quarter_start({quarter}) as timestamp)"
        later = f"iso({begins} + to_seconds(pick(i, 'then', 80 * 86400)))"
        for span, file, at in ((own, 0, soon), (before, 1, later)):
            if span == before and not quarter:
                continue
            when = "true" if is_last and span == own else f"pick(i, 'file', 2) = {file}"
            parts += [
                (_corrected(1, at), span, f"pick(i, 'corrected', 1000) < 5 and {when}"),
                (_ANSWER, span, f"pick(i, 'twice', 1000) < 3 and {when}"),
                (_tombstone(at), span, f"pick(i, 'deleted', 1000) = 0 and {when}"),
                # two contents of one version: both are quarantined
                (
                    _corrected(1, "iso(submitted_at)"),
                    span,
                    f"pick(i, 'contradicted', 2000) = 0 and {when}",
                ),
            ]
        parts.append((_bad(), own, "pick(i, 'bad', 500) = 0"))
        queries = [
            f"select {cells} from answer_rows({self.numbers(*span, condition)})"
            for cells, span, condition in parts
        ]
        day = _last_day(quarter)
        self.write("pulse", "responses", day, " union all ".join(queries))
        silent = self.silent_per_quarter
        seconds = f"86400 * datediff('day', quarter_start({quarter}), quarter_start({quarter + 1}))"
        self.write(
            "pulse",
            "invitations",
            day,
            f"select * from invitation_rows({self.numbers(*own)}) union all "
            f"select * from silent_rows({quarter * silent}, {(quarter + 1) * silent}, "
            f"quarter_start({quarter}), {seconds} - 10800)",
        )
        invoices = [f"select * exclude (c) from invoice_rows({quarter})"]
        if quarter:
            invoices.append(
                f"select * exclude (c) from invoice_rows({quarter - 1}) "
                f"where pick(c * 64 + {quarter}, 'sent again', 1000) < 3"
            )
        self.write("crm", "invoices", day, " union all ".join(invoices))

    def day(self, number: int) -> date:
        """Write what one day after the two years brings; the day."""
        day = AS_OF + timedelta(days=number)
        size, first = self.per_day, self.answers + (number - 1) * self.per_day
        at = f"iso(timestamp '{day} 00:00:00' + to_seconds(pick(i, 'that day', 75600)))"

        new = self.numbers(first, first + size)

        def some_old(share: int, offset: int) -> str:
            count = max(1, size // share)
            step = self.answers // count
            return f"answer_rows({self.numbers(number * 7 + offset, self.answers, step=step)})"

        self.write(
            "pulse",
            "responses",
            day,
            f"select {_ANSWER} from answer_rows({new})"
            f" union all select {_corrected(1 + number, at)} from {some_old(10, 0)}"
            f" union all select {_tombstone(at)} from {some_old(50, 3)}",
        )
        silent = max(1, 3 * size // 10)
        begin = QUARTERS * self.silent_per_quarter + (number - 1) * silent
        self.write(
            "pulse",
            "invitations",
            day,
            f"select * from invitation_rows({new}) union all "
            f"select * from silent_rows({begin}, {begin + silent}, date '{day}', 75600)",
        )
        self.write("crm", "customers", day, _customers(len(EXPORTS) - 1 + number, day, delta=True))
        return day


def _customers(export: int, day: date, *, delta: bool) -> str:
    return f"select * from customer_rows({export}, date '{day}', {delta})"


def _last_day(quarter: int) -> date:
    year, place = divmod(quarter + 1, 4)
    return date(2024 + year, 3 * place + 1, 1) - timedelta(days=1)


def _changed(**cells: str) -> str:
    """The columns of an answer, some of them replaced by other SQL."""
    names = SOURCES["pulse", "responses"]["columns"].values()
    return ", ".join(f"{cells[name]} as {name}" if name in cells else name for name in names)


def _corrected(version: int, at: str) -> str:
    return _changed(score=f"cast(score_of(i, c, {version}) as varchar)", updated=at)


def _tombstone(at: str) -> str:
    names = SOURCES["pulse", "responses"]["columns"].values()
    cells = dict.fromkeys(names, "cast(null as varchar)")
    return _changed(**cells | {"id": "id", "updated": at, "deleted": "'true'"})


def _bad() -> str:
    kind = "pick(i, 'bad kind', 4)"
    return _changed(
        id=f"case when {kind} <> 2 then 'B' || id end",
        # of a silent one: who answered unreadably was not silent
        invitation=f"case when {kind} = 3 then invitation "
        "else silent_invitation_id(3 * i // 10) end",
        score=f"case when {kind} = 0 then '11' else score end",
        submitted=f"case when {kind} = 1 then '2024-13-45' when {kind} = 3 "
        "then iso(sent_at - interval 2 day) else submitted end",
        updated="cast(null as varchar)",
    )


def generate(target: Path, answers: int, *, seed: int = 1, form: str = "csv") -> None:
    """Write ``workspace.yml`` and two years of ``landing/`` below a folder.

    Args:
        target: the workspace's folder, made if it is missing.
        answers: how many, a multiple of 40.
        seed: the same seed gives the same bytes, by the same version of DuckDB.
        form: of the files: ``csv`` or ``parquet``.
    """
    writer = _Writer(Path(target), answers, seed, form)
    Path(target).mkdir(parents=True, exist_ok=True)
    writer.declare(AS_OF)
    for export, day in enumerate(EXPORTS):
        writer.write("crm", "customers", day, _customers(export, day, delta=False))
    for day in SUBSCRIPTION_EXPORTS:
        writer.write("crm", "subscriptions", day, f"select * from subscription_rows(date '{day}')")
    for quarter in range(QUARTERS):
        writer.quarter(quarter)


def add_day(target: Path, answers: int, day: int, *, seed: int = 1, form: str = "csv") -> None:
    """Write what one day after the two years brings, and move ``as_of`` there.

    A thousandth of new answers, some of them of periods long closed, corrections and
    tombstones of old ones, the invitations of the day and a file of the customers that changed.

    Args:
        target: a workspace that ``generate`` wrote with the same arguments.
        answers: as there.
        day: from 1.
        seed: as there.
        form: as there.
    """
    writer = _Writer(Path(target), answers, seed, form)
    writer.declare(writer.day(day))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generate", description=__doc__)
    parser.add_argument("target", type=Path, help="the workspace's folder")
    parser.add_argument("answers", type=int, help="a multiple of 40")
    parser.add_argument("--day", type=int, help="add one day's deliveries, from 1")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--format", choices=("csv", "parquet"), default="csv")
    given = parser.parse_args()
    if given.day:
        add_day(given.target, given.answers, given.day, seed=given.seed, form=given.format)
    else:
        generate(given.target, given.answers, seed=given.seed, form=given.format)


if __name__ == "__main__":
    main()
