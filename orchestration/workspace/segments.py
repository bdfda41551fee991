"""The names under which segments are published.

Inside the build a segment's column is ``seg_<name>``: nothing else begins so. The tables for
readers give it the user's own name, unless that is taken there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# What the score tables cut by beside the workspace's segments, and their total.
BUILT_IN_DIMENSIONS = frozenset({"channel", "touchpoint", "survey", "all"})
# The fixed columns of the marts that carry segments: fct_nps_responses, fct_nps_churn,
# fct_nps_transitions, dim_customers, dim_customer_history.
FIXED_COLUMNS = frozenset(
    """response_key source response_id survey_key survey_id customer_key account_key voice_key
    metric survey_type scale channel touchpoint language score nps_class contribution has_comment
    responded_at responded_on version_at
    churned_on days_to_churn has_churn_information was_active_at_answer mrr_at_answer revenue_before
    next_response_key from_class to_class from_contribution to_contribution next_responded_at
    next_responded_on days_between was_followed_up
    customer_id signed_up_at churned_at is_active is_inferred
    valid_from valid_to""".split()  # noqa: SIM905
)
# Column names that speak of a person: no published text column may have one.
PERSONAL_NAME = (
    r"((.*_)?(e_?mail|comment)s?(_(text|address|key))?|feedback|verbatim|raw_text"
    r"|(first_|last_|full_|given_|family_|middle_|customer_|person_|contact_|employee_)?name"
    r"|surname)"
)


def published_name(segment: str) -> str:
    """A segment's column in the marts, and its value of the column ``dimension``."""
    is_taken = segment in FIXED_COLUMNS | BUILT_IN_DIMENSIONS
    return f"segment_{segment}" if is_taken else segment


def name_mistake(segment: str, segments: Sequence[str]) -> str | None:
    """Why one of the workspace's segments cannot be published under its name, or None."""
    published = published_name(segment)
    if re.fullmatch(PERSONAL_NAME, segment):
        return (
            f"'{segment}' is a name of personal data, which is not published; "
            "remove it, or give the attribute another name"
        )
    if published != segment and published in segments:
        return (
            f"'{segment}' is published as '{published}', which is another segment; "
            "give one of the two attributes another name"
        )
    return None
