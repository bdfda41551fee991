"""Key drivers from counts of pairs: what is chosen, what is left out, and how intervals behave."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from orchestration.statistics.drivers import DRIVERS, Resampling, estimated_drivers
from orchestration.statistics.tables import table_of

RESAMPLING = Resampling(resamples=200, seed=1, z=1.959963984540054)
PARTS = 200


def counted(frame: pd.DataFrame, names: list[str]) -> pa.Table:
    """The rows of int_driver_pairs_counted, by pandas."""
    frame = frame.assign(squares=frame["contribution"] ** 2, voices=1)
    found = []
    for place, name in enumerate(names):
        for other in names[place:]:
            sums = (
                frame.assign(level=frame[name], other_level=frame[other])
                .groupby(["part", "level", "other_level"], as_index=False)[
                    ["voices", "contribution", "squares"]
                ]
                .sum()
            )
            found.append(sums.assign(attribute=name, other_attribute=other))
    rows = pd.concat(found).rename(columns={"contribution": "contributions"})
    rows = rows.assign(metric="nps", survey_type="relational")
    return pa.Table.from_pandas(rows, preserve_index=False)


def listed(frame: pd.DataFrame, names: list[str]) -> pa.Table:
    """The same before it is added up, a row for each voice and pair: the same sums, ten times sooner."""
    pairs = [(name, other) for place, name in enumerate(names) for other in names[place:]]
    values = {name: frame[name].to_numpy(dtype=object) for name in names}
    contributions = frame["contribution"].to_numpy()
    each, all_of = len(frame), len(frame) * len(pairs)
    return pa.table(
        {
            "metric": pa.repeat("nps", all_of),
            "survey_type": pa.repeat("relational", all_of),
            "attribute": np.repeat(np.array([name for name, _ in pairs], dtype=object), each),
            "other_attribute": np.repeat(np.array([name for _, name in pairs], dtype=object), each),
            "level": np.concatenate([values[name] for name, _ in pairs]),
            "other_level": np.concatenate([values[name] for _, name in pairs]),
            "part": np.tile(frame["part"].to_numpy(), len(pairs)),
            "voices": np.ones(all_of, dtype=np.int64),
            "contributions": np.tile(contributions, len(pairs)),
            "squares": np.tile(contributions**2, len(pairs)),
        }
    )


def voices(count: int = 400, seed: int = 1) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "plan": draw.choice(["starter", "growth"], count),
            "region": draw.choice(["north", "south", "east"], count),
            "same": "email",
            "part": draw.integers(0, PARTS, count),
        }
    )
    liking = draw.normal(0, 1, count) + 0.8 * (frame["plan"] == "growth")
    frame["contribution"] = np.select([liking > 0.7, liking < -0.2], [100, -100], 0)
    return frame


def estimated(
    frame: pd.DataFrame, resampling: Resampling = RESAMPLING, rows_of: Any = counted, **options: Any
) -> dict:
    names = [name for name in frame.columns if name not in ("part", "contribution")]
    limits = {"least": 10, "most": 8} | options
    rows = estimated_drivers(rows_of(frame, names), resampling=resampling, **limits)
    return {row["attribute"]: row for row in table_of(rows, DRIVERS).to_pylist()}


def test_the_plan_drives_and_the_region_does_not():
    found = estimated(voices())
    assert found["same"]["unknown_because"] == "one_level"
    assert found["plan"]["share"] > 10 * found["region"]["share"]
    assert found["plan"]["p_value"] < 1e-6
    assert found["plan"]["share"] + found["region"]["share"] == pytest.approx(
        found["plan"]["r_squared"]
    )
    assert (found["plan"]["added_degrees"], found["region"]["added_degrees"]) == (1, 2)


def test_counts_do_not_depend_on_the_parts():
    frame = voices()
    found = estimated(frame)
    other = estimated(frame.assign(part=frame["part"] % 7))
    for name in ("plan", "region"):
        assert other[name]["share"] == pytest.approx(found[name]["share"], abs=1e-11)


def test_counts_need_not_be_added_up():
    frame = voices()
    assert estimated(frame, rows_of=listed) == estimated(frame)


def test_the_same_seed_draws_the_same_interval():
    frame = voices()
    found = estimated(frame)
    assert estimated(frame) == found
    other = estimated(frame, Resampling(resamples=200, seed=2, z=RESAMPLING.z))
    assert other["plan"]["ci_low"] != found["plan"]["ci_low"]
    assert other["plan"]["ci_low"] == pytest.approx(found["plan"]["ci_low"], abs=0.02)


def test_an_attribute_that_another_determines_adds_nothing():
    frame = voices()
    found = estimated(frame.assign(price=frame["plan"].map({"starter": "30", "growth": "99"})))
    assert found["plan"]["share"] == pytest.approx(found["price"]["share"])
    assert found["price"]["added_share"] == pytest.approx(0, abs=1e-9)
    assert (found["price"]["added_degrees"], found["price"]["p_value"]) == (0, None)


def test_everybody_alike_leaves_nothing_to_explain():
    found = estimated(voices().assign(contribution=-100))
    assert {row["unknown_because"] for row in found.values()} == {"no_variation"}
    assert {row["own_share"] for row in found.values()} == {None}


def test_few_voices_for_many_levels_are_too_few():
    found = estimated(voices(29))
    assert found["plan"]["unknown_because"] == found["region"]["unknown_because"] == "too_few"
    assert found["plan"]["own_share"] is not None
    assert estimated(voices(31))["plan"]["unknown_because"] is None


def test_p_is_even_where_nothing_drives():
    """Of 300 data sets without any relation 5 % have p <= 0.05, between 2 and 8 of 100."""
    found = []
    for seed in range(300):
        frame = voices(300, seed)
        frame["contribution"] = np.random.default_rng(seed + 999).permutation(frame["contribution"])
        rows = estimated(frame.drop(columns="same"), Resampling(2, 1, 1.96), listed)
        found.append(rows["region"]["p_value"])
    assert 0.02 <= np.mean(np.array(found) <= 0.05) <= 0.08


@pytest.mark.simulation
@pytest.mark.parametrize("count", [200, 400, 1000])
def test_intervals_hold_the_share_of_a_driver_and_of_none(count: int):
    """Of the plan, which a population of a million has, and of the region, which is 0.

    At 0 a truth has one side: an interval holds it unless all of it lies above.
    """
    truth = estimated(voices(1_000_000, seed=77), Resampling(2, 1, 1.96))["plan"]["share"]
    holds = []
    for seed in range(1000):
        found = estimated(voices(count, seed), Resampling(400, seed, RESAMPLING.z), listed)
        plan, region = found["plan"], found["region"]
        holds.append((plan["ci_low"] <= truth <= plan["ci_high"], region["ci_low"] <= 0))
    of_plan, of_region = np.mean(holds, axis=0)
    assert 0.93 <= of_plan <= 0.98
    assert of_region >= 0.93
