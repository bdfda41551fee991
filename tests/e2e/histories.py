"""Small random histories of deliveries: what a business sends on its first day and on ten more.

Histories do not know one another (their customers, surveys and addresses are their own), so that
hundreds of them lie side by side in one workspace and one build judges all. Every kind of event
that may reach into the past is drawn: corrections, tombstones, contradictions, late answers,
invitations after their answers, snapshots of long ago, customers removed, addresses that change
hands, surveys described again, rows dated after as_of, comments that somebody reads and labels.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

DAYS = 11
FIRST = date(2025, 3, 20)
REGIONS = ("north", "south", "")
HEADERS = {
    name: columns.split()
    for name, columns in {
        "crm/customers": "customer email account since left region gone",
        "crm/subscriptions": "subscription customer started ended fee",
        "crm/invoices": "invoice customer day amount kind",
        "crm/tickets": "ticket customer opened",
        "pulse/surveys": "survey title metric kind scale about",
        "pulse/invitations": "invitation survey customer email sent opened bounced",
        "pulse/responses": (
            "id survey invitation customer email score scale at changed gone channel region said"
        ),
        "pulse/labels": "answer theme",
    }.items()
}
SETTINGS = {
    "version": 1,
    "segments": ["region", "company"],
    "min_group_size": 1,
    "max_quarantine_rate": 1,
    "feature_months": 3,
    "fiscal_year_start": 2,  # its quarters are not the calendar's
    "churn_windows": [5, 30],
    "timezone": "Europe/Brussels",
    "sources": [
        {
            "name": "crm", "entity": "customers", "files": "customers_*.csv", "timezone": "UTC",
            "snapshot_at": "customers_%Y%m%d.csv",
            "attributes": {"region": "region", "company": "account"},
            "columns": {
                "customer_id": "customer", "email": "email", "account_id": "account",
                "signed_up_at": "since", "churned_at": "left", "is_deleted": "gone",
            },
        },
        {
            "name": "crm", "entity": "subscriptions", "files": "subscriptions_*.csv",
            "timezone": "UTC", "snapshot_at": "subscriptions_%Y%m%d.csv",
            "columns": {
                "subscription_id": "subscription", "customer_id": "customer",
                "started_at": "started", "ended_at": "ended", "mrr": "fee",
            },
        },
        {
            "name": "crm", "entity": "invoices", "files": "invoices_*.csv", "timezone": "UTC",
            "snapshot_at": "invoices_%Y%m%d.csv",
            "columns": {
                "invoice_id": "invoice", "customer_id": "customer", "invoiced_at": "day",
                "amount": "amount", "kind": "kind",
            },
        },
        {
            "name": "crm", "entity": "support_tickets", "files": "tickets_*.csv",
            "timezone": "UTC", "snapshot_at": "tickets_%Y%m%d.csv",
            "columns": {"ticket_id": "ticket", "customer_id": "customer", "opened_at": "opened"},
        },
        {
            "name": "pulse", "entity": "surveys", "files": "surveys_*.csv", "timezone": "UTC",
            "snapshot_at": "surveys_%Y%m%d.csv",
            "columns": {
                "survey_id": "survey", "name": "title", "metric": "metric",
                "survey_type": "kind", "scale": "scale", "touchpoint": "about",
            },
        },
        {
            "name": "pulse", "entity": "survey_invitations", "files": "invitations_*.csv",
            "timezone": "UTC", "snapshot_at": "invitations_%Y%m%d.csv", "customer_source": "crm",
            "columns": {
                "invitation_id": "invitation", "survey_id": "survey", "customer_id": "customer",
                "email": "email", "sent_at": "sent", "opened_at": "opened",
                "bounced_at": "bounced",
            },
        },
        {
            "name": "pulse", "entity": "survey_responses", "files": "responses_*.csv",
            "timezone": "UTC", "customer_source": "crm", "attributes": {"region": "region"},
            "columns": {
                "response_id": "id", "survey_id": "survey", "invitation_id": "invitation",
                "customer_id": "customer", "email": "email", "score": "score", "scale": "scale",
                "submitted_at": "at", "updated_at": "changed", "is_deleted": "gone",
                "channel": "channel", "comment": "said",
            },
        },
        {
            "name": "pulse", "entity": "labels", "files": "labels_*.csv",
            "snapshot_at": "labels_%Y%m%d.csv",
            "columns": {"response_id": "answer", "theme": "theme"},
        },
    ],
}  # fmt: skip

# What answers say, by the theme that a reader would find; some of it no lexicon has.
SAID = {
    "price": [
        "the price is too high for us",
        "Der Preis ist viel zu hoch",
        "we pay too much money",
    ],
    "support": ["nobody at support ever answers", "the helpdesk was kind", "le support est lent"],
    "speed": ["it is slow as a snail", "the app loads slowly every morning"],
    "": ["all fine, nothing to say", "ok"],
}

Rows = dict[str, list[list[str]]]


class History:
    """One business: what it has and what it sends on each day."""

    def __init__(self, number: int, draw: random.Random) -> None:
        self._name, self._draw = f"h{number}", draw
        self._customers = [self._id("c", place) for place in range(draw.randint(1, 4))]
        self._emails = [f"{self._name}.{letter}@mail.example" for letter in "abc"]
        self._surveys = [self._id("s", place) for place in range(2)]
        self._last: dict[str, list[list[str]]] = {name: [] for name in HEADERS}
        self._count = 0

    def _id(self, kind: str, number: int) -> str:
        return f"{self._name}-{kind}{number}"

    def _new_id(self, kind: str) -> str:
        self._count += 1
        return self._id(kind, self._count)

    def _moment(self, day: date, back: int = 90, ahead: int = 0) -> str:
        """An instant of the past days, now and then of the days to come, or midnight itself."""
        at = day - timedelta(days=self._draw.choice([0, 0, 1, self._draw.randint(0, back)]))
        at += timedelta(days=self._draw.randint(0, ahead))
        seconds = self._draw.choice([0, self._draw.randrange(86400)])
        moment = datetime.combine(at, time()) + timedelta(seconds=seconds)
        return f"{moment:%Y-%m-%dT%H:%M:%SZ}"

    def _some(self, values: list[str], nobody: float = 0.3) -> str:
        return "" if self._draw.random() < nobody else self._draw.choice(values)

    def first_day(self, day: date) -> Rows:
        """What is there from the beginning."""
        rows: Rows = {name: [] for name in HEADERS}
        rows["crm/customers"] = [self._customer(each, day) for each in self._customers]
        rows["pulse/surveys"] = [self._survey(self._surveys[0])]
        for _ in range(self._draw.randint(2, 6)):
            rows["pulse/invitations"].append(self._invitation(day))
            rows["pulse/responses"].append(self._answer(day))
        for _ in range(3):
            rows["crm/invoices"].append(self._invoice(day))
            rows["crm/subscriptions"].append(self._subscription(day))
        return self._sent(rows)

    def further_day(self, day: date) -> Rows:
        """What a further day brings: most days little, some days nothing."""
        rows: Rows = {name: [] for name in HEADERS}
        kinds = {
            "pulse/responses": self._answer,
            "pulse/invitations": self._invitation,
            "crm/invoices": self._invoice,
            "crm/subscriptions": self._subscription,
            "crm/tickets": lambda on: [
                self._new_id("t"), self._some(self._customers, 0), self._moment(on)
            ],
            "crm/customers": lambda on: self._customer(self._some(self._customers, 0), on),
            "pulse/surveys": lambda on: self._survey(self._draw.choice(self._surveys)),
            "pulse/labels": self._label,
        }  # fmt: skip
        for name, make in kinds.items():
            if self._draw.random() < (0.6 if name == "pulse/responses" else 0.25):
                rows[name].append(make(day))
            if self._last[name] and self._draw.random() < 0.3:
                rows[name].append(self._again(name, self._draw.choice(self._last[name]), day))
        return self._sent(rows)

    def _sent(self, rows: Rows) -> Rows:
        for name, sent in rows.items():
            self._last[name] += sent
        return rows

    def _again(self, name: str, row: list[str], day: date) -> list[str]:
        """An older row sent again: as it was, or with one or two cells otherwise."""
        row = list(row)
        if self._draw.random() < 0.3:
            return row
        places = {head: place for place, head in enumerate(HEADERS[name])}
        if name == "pulse/responses":
            row[places["changed"]] = self._draw.choice(["", row[places["changed"]]]) or (
                self._moment(day, back=20, ahead=2)
            )
            what = self._draw.choice(["score", "gone", "customer", "invitation", "at"])
            if what == "gone":
                row[places["gone"]] = "true"
            else:
                row[places[what]] = self._answer(day)[places[what]]
        elif self._draw.random() < 0.8:
            fresh = {
                "crm/customers": lambda: self._customer(row[0], day),
                "crm/subscriptions": lambda: self._subscription(day),
                "crm/invoices": lambda: self._invoice(day),
                "crm/tickets": lambda: [row[0], self._some(self._customers, 0), self._moment(day)],
                "pulse/surveys": lambda: self._survey(row[0]),
                "pulse/invitations": lambda: self._invitation(day),
                "pulse/labels": lambda: [row[0], self._draw.choice(list(SAID))],
            }[name]()
            row[1:] = fresh[1:]
        return row

    def _customer(self, customer: str, day: date) -> list[str]:
        left = self._moment(day, back=60, ahead=6)[:10] if self._draw.random() < 0.3 else ""
        return [
            customer,
            self._some(self._emails),
            self._some([self._id("a", 1), self._id("a", 2)]),
            self._moment(day, back=400, ahead=3)[:10] if self._draw.random() < 0.8 else "",
            left,
            self._draw.choice(REGIONS),
            "true" if self._draw.random() < 0.1 else "",
        ]

    def _survey(self, survey: str) -> list[str]:
        scale = self._draw.choice(["0-10", "0-10", "0-10", "1-6", ""])
        kind = self._draw.choice(["relational", "relational", "transactional"])
        return [survey, "ask", "nps", kind, scale, self._draw.choice(["", "desk"])]

    def _subscription(self, day: date) -> list[str]:
        ended = self._moment(day, back=60, ahead=6)[:10] if self._draw.random() < 0.4 else ""
        fee = self._draw.choice(["10", "12.5", "x", ""])
        customer = self._some(self._customers, 0)
        return [self._new_id("u"), customer, self._moment(day, back=200)[:10], ended, fee]

    def _invoice(self, day: date) -> list[str]:
        amount = self._draw.choice(["19.9", "7", "0.1", "0.2"])
        kind = self._draw.choice(["recurring", "one_off", "refund"])
        at = self._moment(day, back=200, ahead=1)[:10]
        return [self._new_id("v"), self._some(self._customers, 0), at, amount, kind]

    def _invitation(self, day: date) -> list[str]:
        return [
            self._new_id("i") if self._draw.random() < 0.7 else self._id("i", self._count + 2),
            self._draw.choice(self._surveys),
            self._some([*self._customers, self._id("x", 1)]),
            self._some(self._emails),
            self._moment(day),
            self._moment(day, ahead=2) if self._draw.random() < 0.4 else "",
            self._moment(day, ahead=2) if self._draw.random() < 0.2 else "",
        ]

    def _answer(self, day: date) -> list[str]:
        return [
            self._new_id("r"),
            self._some([*self._surveys, self._id("s", 9)], 0.1),
            self._id("i", self._draw.randint(1, self._count + 2)),
            self._some([*self._customers, self._id("x", 1)]),
            self._some(self._emails),
            self._draw.choice(["0", "5", "7", "8", "9", "10", "10", "11", "8.5", ""]),
            self._draw.choice(["", "", "", "0-10", "1-6"]),
            self._moment(day, ahead=2),
            self._moment(day, back=20) if self._draw.random() < 0.3 else "",
            "",
            self._draw.choice(["email", "web", ""]),
            self._draw.choice(["", "", "east"]),
            self._some([text for texts in SAID.values() for text in texts], 0.5),
        ]

    def _label(self, day: date) -> list[str]:
        """What a reader found in an answer's comment; of an answer without one, or one to come, nothing."""
        said = HEADERS["pulse/responses"].index("said")
        answer = self._draw.choice(self._last["pulse/responses"])
        themes = [theme for theme, texts in SAID.items() if answer[said] in texts]
        return [answer[0], (themes or [""])[0]]


def deliveries(seed: int, histories: int) -> Iterator[tuple[date, Rows]]:
    """Day and rows by kind of file, for each of the eleven days.

    Args:
        seed: the same seed draws the same histories.
        histories: how many lie side by side.
    """
    draw = random.Random(seed)
    all_of_them = [History(number, draw) for number in range(histories)]
    for place in range(DAYS):
        # a month end is passed on the way, and a day skipped
        day = FIRST + timedelta(days=place * 2 + place // 4)
        rows: Rows = {name: [] for name in HEADERS}
        for history in all_of_them:
            sent = history.further_day(day) if place else history.first_day(day)
            for name, lines in sent.items():
                rows[name] += lines
        yield day, rows
