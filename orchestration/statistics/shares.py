"""Shares of the variance that a regression explains: the metric LMG.

Lindeman, Merenda and Gold 1980; Kruskal 1987; the Shapley value of R². relaimpo computes it in R
(Grömping 2006, J. Stat. Softw. 17(1)); the tests hold this one to its published example. Only
cross-products are needed, so that the number of rows does not matter, and many regressions of the
same columns, such as resamples, are computed at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# A column of whose variance less than this is left by the columns before it adds nothing.
_ALIASED = 1e-9


@dataclass(frozen=True)
class Shares:
    """Of r regressions on k attributes each.

    Attributes:
        together: R² of all attributes, (r,).
        alone: R² of each attribute by itself, (r, k).
        added: what each adds to all others, (r, k).
        shares: LMG, what each adds on average over all orders of the attributes, (r, k); an r's
            shares add up to its R².
        degrees: of the first regression, how many columns of each attribute the others do not
            determine, (k,).
        rank: of the first regression, how many columns no other columns determine.
    """

    together: Floats
    alone: Floats
    added: Floats
    shares: Floats
    degrees: npt.NDArray[np.int64]
    rank: int


def explained_shares(products: Floats, sizes: Sequence[int]) -> Shares:
    """Split R² among attributes.

    Args:
        products: cross-products of the columns 1, the attributes' columns in order, and what is
            explained, (r, 1 + p + 1, 1 + p + 1). Explained is something that varies.
        sizes: how many of the p columns each of the k attributes has.
    """
    scale = np.einsum("rii->ri", products)
    centered, _ = _without(products, scale, 1)
    k = len(sizes)
    left = np.empty((1 << k, len(products)))
    rank = np.zeros(1 << k, dtype=np.int64)
    left[0] = centered[:, -1, -1]

    def visit(subset: int, first: int, matrix: Floats, scales: Floats) -> None:
        """Add each later attribute to a subset; what came before it is out of the matrix."""
        for place in range(first, k):
            added = subset | 1 << place
            matrix_then, found = _without(matrix, scales, sizes[place])
            left[added], rank[added] = matrix_then[:, -1, -1], rank[subset] + found
            scales_then = scales[:, sizes[place] :]
            visit(added, place + 1, matrix_then, scales_then)
            # a subset without it goes on without its columns
            matrix, scales = matrix[:, sizes[place] :, sizes[place] :], scales_then

    visit(0, 0, centered, scale[:, 1:])
    r_squared = 1 - left / left[0]
    everybody = (1 << k) - 1
    others = [everybody & ~(1 << place) for place in range(k)]
    shares = np.zeros((len(products), k))
    for subset in range(1 << k):
        size = subset.bit_count()
        for place in range(k):
            if not subset >> place & 1:
                # the share of all orders in which exactly the subset comes before
                weight = 1 / (k * math.comb(k - 1, size))
                shares[:, place] += weight * (r_squared[subset | 1 << place] - r_squared[subset])
    return Shares(
        together=r_squared[everybody],
        alone=np.stack([r_squared[1 << place] for place in range(k)], axis=1),
        added=np.stack([r_squared[everybody] - r_squared[other] for other in others], axis=1),
        shares=shares,
        degrees=np.array([rank[everybody] - rank[other] for other in others]),
        rank=int(rank[everybody]),
    )


def _without(matrix: Floats, scales: Floats, columns: int) -> tuple[Floats, int]:
    """What the first columns leave unexplained of the others, and their rank in the first matrix.

    Args:
        matrix: cross-products, (r, q, q).
        scales: the cross-product of each column with itself at the beginning, (r, q).
        columns: how many of the first columns are taken out, one after another.
    """
    rank = 0
    for place in range(columns):
        pivot = matrix[:, 0, 0]
        counts = pivot > _ALIASED * scales[:, place]
        rank += int(counts[0])
        inverse = np.divide(1.0, pivot, out=np.zeros_like(pivot), where=counts)
        row = matrix[:, 0, 1:]
        matrix = matrix[:, 1:, 1:] - inverse[:, None, None] * row[:, :, None] * row[:, None, :]
    return matrix, rank
