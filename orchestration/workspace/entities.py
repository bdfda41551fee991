"""The canonical entities: what every source is mapped onto, and what the lake holds.

All columns are text in the lake. A column's kind says only how its text is normalised while it is
ingested: timestamps to ISO 8601 in UTC, dates to ``YYYY-MM-DD``, other text not at all; ids lose
the blanks around them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "timestamp", "date"]


@dataclass(frozen=True)
class Column:
    """One canonical column: its name, how its text is normalised, whether it must be mapped."""

    name: str
    kind: Kind
    required: bool

    @property
    def is_id(self) -> bool:
        """Whether it names something: blanks around an id are no part of it."""
        return self.name.endswith("_id")

    @property
    def is_customer_id(self) -> bool:
        """Whether it names a customer: it may be an e-mail address."""
        return self.name.endswith("customer_id")


@dataclass(frozen=True)
class Entity:
    """One canonical entity: its columns in the lake's order, and whether it takes attributes."""

    name: str
    columns: tuple[Column, ...]
    has_attributes: bool

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns, in the lake's order."""
        return tuple(column.name for column in self.columns)

    @property
    def required(self) -> tuple[str, ...]:
        """The names of the columns that every mapping must provide."""
        return tuple(column.name for column in self.columns if column.required)

    @property
    def times(self) -> tuple[str, ...]:
        """The names of the timestamp and date columns."""
        return tuple(column.name for column in self.columns if column.kind != "text")

    @property
    def has_email(self) -> bool:
        """Whether the lake keeps a normalised e-mail (``_email_key``) of every row."""
        return "email" in self.column_names


def _kind(name: str) -> Kind:
    if name.endswith("_at"):
        return "timestamp"
    is_day = name.endswith("_on") or name in ("valid_from", "period_start", "period_end")
    return "date" if is_day else "text"


def _entity(
    name: str, required: str, optional: str = "", *, has_attributes: bool = False
) -> Entity:
    columns = tuple(
        Column(column, _kind(column), is_required)
        for names, is_required in ((required, True), (optional, False))
        for column in names.split()
    )
    return Entity(name, columns, has_attributes)


ENTITIES: dict[str, Entity] = {
    entity.name: entity
    for entity in (
        _entity(
            "survey_responses",
            "response_id score submitted_at",
            "survey_id invitation_id customer_id email account_id metric survey_type scale channel "
            "touchpoint comment language updated_at is_deleted is_test",
            has_attributes=True,
        ),
        _entity(
            "survey_invitations",
            "invitation_id sent_at",
            "survey_id customer_id email channel delivered_at opened_at responded_at bounced_at "
            "opted_out_at",
        ),
        _entity("surveys", "survey_id", "name metric survey_type scale question touchpoint"),
        _entity(
            "customers",
            "customer_id",
            "email account_id name signed_up_at churned_at is_churned is_deleted",
            has_attributes=True,
        ),
        _entity("accounts", "account_id", "name arr owner tier", has_attributes=True),
        _entity(
            "subscriptions",
            "subscription_id customer_id started_at",
            "ended_at renews_at plan mrr currency",
        ),
        _entity("mrr_movements", "customer_id moved_at kind amount", "currency"),
        _entity("invoices", "invoice_id customer_id invoiced_at amount", "currency kind"),
        _entity(
            "support_tickets",
            "ticket_id customer_id opened_at",
            "closed_at priority category satisfaction",
        ),
        _entity("product_usage", "customer_id used_on quantity", "feature"),
        _entity(
            "referrals",
            "referral_id referrer_customer_id referred_at",
            "referred_customer_id converted_at",
        ),
        _entity(
            "employees",
            "employee_id",
            "email department manager_id hired_at left_at",
            has_attributes=True,
        ),
        _entity("leads", "lead_id", "created_at email", has_attributes=True),
        _entity(
            "follow_ups",
            "case_id response_id",
            "opened_at first_contact_at closed_at owner outcome reopened_at root_cause action",
        ),
        _entity("exchange_rates", "currency valid_from rate"),
        _entity(
            "score_summaries",
            "period_start metric survey_type promoters passives detractors",
            "period_end dimension segment",
        ),
        _entity("labels", "response_id theme"),
    )
}

# The tables of lake/settings: what models know of workspace.yml.
SETTINGS_TABLES = (
    "workspace",
    "churn_windows",
    "rolling_windows",
    "segments",
    "split_attributes",
    "lead_attributes",
    "events",
    "journey",
    "mapped_columns",
    "hash_keys",
    "source_limits",
)
