"""A planted confounder: promoters pay more because they are on other plans, and for nothing else.

Of ``sample.truths``: who pays what depends on the plan alone, and how classes are spread over plans
is a quota. So the lift of revenue is mostly that of the plans, and standardised on the plan little
of it is left: what promoters pay longer because fewer of them leave.
"""

from __future__ import annotations

from sample import truths

PLANS = ("starter", "growth", "enterprise")


def mean_price(nps_class: str) -> float:
    """What a month costs those who gave a class's answers, on average before the price rise."""
    counts = {plan: getattr(truths.RELATIONAL_BY_PLAN[plan], f"{nps_class}s") for plan in PLANS}
    paid = sum(count * truths.MONTHLY_PRICE[plan][0] for plan, count in counts.items())
    return paid / sum(counts.values())


# (720 x 29 + 1328 x 99 + 1376 x 490) / 3424 = 241.41 against
# (440 x 29 +  512 x 99 +  360 x 490) / 1312 = 182.81
LIFT_OF_THE_PLANS = mean_price("promoter") / mean_price("passive") - 1  # 0.3206
# What is left within plans may not be more than this, in either direction.
LIFT_WITHIN_PLANS = 0.12
