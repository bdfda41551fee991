"""The sections of ``workspace.yml`` that speak of the whole workspace, not of a source."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
)

from orchestration.core.sql import literal
from orchestration.workspace import rules

# A key that is not declared is an error.
STRICT = ConfigDict(extra="forbid", frozen=True)


class _Model(BaseModel):
    model_config = STRICT


class SurveyRules(_Model):
    """How often a customer may be asked: at most once in ``quarantine_days`` days."""

    quarantine_days: Annotated[StrictInt, Field(ge=0, le=36_500)] = 90


class Headline(_Model):
    """The metric and survey type that the summary and the features speak of, and of which days.

    ``window_days``: the score is that of the last so many days; of more, where they hold too few
    voices.
    """

    metric: Annotated[StrictStr, Field(min_length=1)] = "nps"
    survey_type: Annotated[StrictStr, Field(min_length=1)] = "relational"
    window_days: Annotated[StrictInt, Field(ge=1, le=36_500)] = 90

    @property
    def condition(self) -> str:
        """The SQL condition that a row is of this metric and survey type."""
        return f"metric = {literal(self.metric)} and survey_type = {literal(self.survey_type)}"


class Event(_Model):
    """Something that happened to all customers, or to those of one segment, on one day.

    ``window_days``: so many days before it are compared with so many from it on.
    """

    name: Annotated[StrictStr, Field(min_length=1, max_length=100)]
    day: Annotated[date, BeforeValidator(rules.known_day, json_schema_input_type=date)]
    dimension: StrictStr | None = None
    segment: StrictStr | None = None
    window_days: Annotated[StrictInt, Field(ge=1, le=3_650)] = 90


class SendActions(_Model):
    """Where the actions that are new in a generation are sent.

    ``to``: signed webhooks (Standard Webhooks), or the text of a Slack webhook. ``address_env`` and
    ``secret_env``: the environment variables that hold the address, and the secret that webhooks
    are signed with. ``most``: actions a run. ``identity``: whether a customer's id, name and e-mail
    address are sent as well.
    """

    to: Literal["webhook", "slack"]
    address_env: Annotated[StrictStr, AfterValidator(rules.environment_name)] = "NPS_ACTIONS_URL"
    secret_env: Annotated[StrictStr, AfterValidator(rules.environment_name)] = "NPS_ACTIONS_SECRET"  # noqa: S105 - a variable's name
    most: Annotated[StrictInt, Field(ge=1, le=1000)] = 50
    identity: StrictBool = False


class Actions(_Model):
    """What becomes of the list of actions, and whom nobody is asked to contact.

    ``holdout_share``: so large a share of the customers, drawn by a keyed hash, is on no list of
    actions, so that the worth of contacting can be measured. ``holdout_since``: answers from this
    day on are compared; None: all of them. ``send``: where new actions are sent; None: nowhere.
    """

    holdout_share: Annotated[StrictFloat, Field(ge=0, le=0.5)] = 0
    holdout_since: Annotated[
        date | None, BeforeValidator(rules.day, json_schema_input_type=date | None)
    ] = None
    send: SendActions | None = None


class Retain(_Model):
    """What Dagster's history keeps: the last runs with their events; older ones are deleted."""

    runs: Annotated[StrictInt, Field(ge=1, le=10_000)] = 30


class Publish(_Model):
    """What a generation holds beside its DuckDB files and the report."""

    parquet: StrictBool = True
