"""Shares of explained variance against relaimpo's published example and against every order.

The data are R's `swiss` (Mosteller and Tukey 1977), 47 districts of Switzerland in 1888: facts in the
public domain. The example is Grömping 2006, Relative Importance for Linear Regression in R: The
Package relaimpo, J. Stat. Softw. 17(1), doi 10.18637/jss.v017.i01, and the manual of relaimpo 2.2-7,
`calc.relimp(swiss, type = "lmg")`.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.statistics.shares import explained_shares

# Fertility, Agriculture, Examination, Education, Catholic, Infant.Mortality
SWISS = """
    80.2 17.0 15 12 9.96 22.2   83.1 45.1 6 9 84.84 22.2   92.5 39.7 5 5 93.40 20.2
    85.8 36.5 12 7 33.77 20.3   76.9 43.5 17 15 5.16 20.6   76.1 35.3 9 7 90.57 26.6
    83.8 70.2 16 7 92.85 23.6   92.4 67.8 14 8 97.16 24.9   82.4 53.3 12 7 97.67 21.0
    82.9 45.2 16 13 91.38 24.4   87.1 64.5 14 6 98.61 24.5   64.1 62.0 21 12 8.52 16.5
    66.9 67.5 14 7 2.27 19.1   68.9 60.7 19 12 4.43 22.7   61.7 69.3 22 5 2.82 18.7
    68.3 72.6 18 2 24.20 21.2   71.7 34.0 17 8 3.30 20.0   55.7 19.4 26 28 12.11 20.2
    54.3 15.2 31 20 2.15 10.8   65.1 73.0 19 9 2.84 20.0   65.5 59.8 22 10 5.23 18.0
    65.0 55.1 14 3 4.52 22.4   56.6 50.9 22 12 15.14 16.7   57.4 54.1 20 6 4.20 15.3
    72.5 71.2 12 1 2.40 21.0   74.2 58.1 14 8 5.23 23.8   72.0 63.5 6 3 2.56 18.0
    60.5 60.8 16 10 7.72 16.3   58.3 26.8 25 19 18.46 20.9   65.4 49.5 15 8 6.10 22.5
    75.5 85.9 3 2 99.71 15.1   69.3 84.9 7 6 99.68 19.8   77.3 89.7 5 2 100.00 18.3
    70.5 78.2 12 6 98.96 19.4   79.4 64.9 7 3 98.22 20.2   65.0 75.9 9 9 99.06 17.8
    92.2 84.6 3 3 99.46 16.3   79.3 63.1 13 13 96.83 18.1   70.4 38.4 26 12 5.62 20.3
    65.7 7.7 29 11 13.79 20.5   72.7 16.7 22 13 11.22 18.9   64.4 17.6 35 32 16.92 23.0
    77.6 37.6 15 7 4.97 20.0   67.6 18.7 25 7 8.65 19.5   35.0 1.2 37 53 42.34 18.0
    44.7 46.6 16 29 50.43 18.2   42.8 27.7 22 29 58.33 19.3
"""
NAMES = ("Agriculture", "Examination", "Education", "Catholic", "Infant.Mortality")
# relaimpo: R² 70.67 %; lmg, not normalised.
R_SQUARED = 0.706735001593
LMG = (0.0570912207681, 0.1711730289002, 0.2601346786244, 0.1055701503735, 0.1127659229265)
# The same with Examination and Education as one group of two columns follows from its definition.


def swiss() -> tuple[np.ndarray, np.ndarray]:
    values = np.array(SWISS.split(), dtype=float).reshape(47, 6)
    return values[:, 0], values[:, 1:]


def products(y: np.ndarray, *blocks: np.ndarray) -> np.ndarray:
    """Cross-products of 1, the columns and y, of one regression."""
    columns = np.column_stack([np.ones(len(y)), *blocks, y])
    return (columns.T @ columns)[None]


def r_squared(y: np.ndarray, blocks: list[np.ndarray]) -> float:
    """By least squares on the rows themselves."""
    design = np.column_stack([np.ones(len(y)), *blocks])
    fitted = design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return 1 - ((y - fitted) ** 2).sum() / ((y - y.mean()) ** 2).sum()


def averaged_over_orders(y: np.ndarray, blocks: list[np.ndarray]) -> np.ndarray:
    """LMG by its definition: what each adds, averaged over all k! orders."""
    gained = np.zeros(len(blocks))
    orders = [*itertools.permutations(range(len(blocks)))]
    for order in orders:
        for place, block in enumerate(order):
            before = [blocks[other] for other in order[:place]]
            gained[block] += r_squared(y, [*before, blocks[block]]) - r_squared(y, before)
    return gained / len(orders)


def test_swiss_is_split_as_relaimpo_splits_it():
    y, x = swiss()
    found = explained_shares(products(y, x), [1] * 5)
    assert found.together[0] == pytest.approx(R_SQUARED, abs=1e-11)
    assert list(found.shares[0]) == pytest.approx(LMG, abs=1e-11)
    assert found.shares[0].sum() == pytest.approx(found.together[0], abs=1e-12)
    assert (found.rank, list(found.degrees)) == (5, [1] * 5)
    # relaimpo's "first" of Education: its squared correlation, 0.4406
    assert found.alone[0, 2] == pytest.approx(np.corrcoef(y, x[:, 2])[0, 1] ** 2, abs=1e-12)


def test_a_group_of_columns_counts_as_one():
    """As relaimpo's `groups` does: Examination and Education together."""
    y, x = swiss()
    found = explained_shares(products(y, x[:, [1, 2, 0, 3, 4]]), [2, 1, 1, 1])
    blocks = [x[:, [1, 2]], x[:, [0]], x[:, [3]], x[:, [4]]]
    assert list(found.shares[0]) == pytest.approx(averaged_over_orders(y, blocks), abs=1e-10)
    assert list(found.degrees) == [2, 1, 1, 1]


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.lists(st.integers(2, 4), min_size=1, max_size=4),
    rows=st.integers(12, 60),
)
def test_shares_are_the_average_over_all_orders(seed: int, sizes: list[int], rows: int):
    """Of dummies of random attributes; some determine others, some have a level that nobody has."""
    draw = np.random.default_rng(seed)
    codes = [draw.integers(0, size, rows) for size in sizes]
    if len(codes) > 2:
        codes[1] = codes[0] % sizes[1]
    blocks = [
        (code[:, None] == np.arange(1, size)).astype(float)
        for code, size in zip(codes, sizes, strict=True)
    ]
    y = draw.choice([-100.0, 0.0, 100.0], rows) + 50 * (codes[0] > 0)
    if y.min() == y.max():
        return
    found = explained_shares(products(y, *blocks), [size - 1 for size in sizes])
    assert list(found.shares[0]) == pytest.approx(averaged_over_orders(y, blocks), abs=1e-9)
    assert found.together[0] == pytest.approx(r_squared(y, blocks), abs=1e-9)
    design = np.column_stack([np.ones(rows), *blocks])
    assert found.rank == np.linalg.matrix_rank(design) - 1


def test_regressions_are_independent_of_each_other():
    """Of two at once each has the shares that it has alone, a level missing in one or not."""
    draw = np.random.default_rng(5)
    code = draw.integers(0, 3, 40)
    block = (code[:, None] == [1, 2]).astype(float)
    numbers = draw.normal(size=(40, 2))
    y = draw.normal(size=40)
    whole = products(y, block, numbers)
    part = products(y[code < 2], block[code < 2], numbers[code < 2])
    both = explained_shares(np.concatenate([whole, part]), [2, 1, 1])
    for place, one in enumerate((whole, part)):
        alone = explained_shares(one, [2, 1, 1])
        assert list(both.shares[place]) == pytest.approx(list(alone.shares[0]), abs=1e-12)
