"""eNPS by department: whoever knows every published figure, and the rule, recovers no withheld one.

Every possible table of a few departments is published by the compiled models. Tables that are published
alike are one to a reader: a withheld figure that is the same in all of them would be known.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

import duckdb
import pyarrow as pa
import pytest
from dbt_support import compiled, empty_database, rebuild

Counts = tuple[int, int, int]  # promoters, passives, detractors
World = tuple[Counts, ...]  # by department
Published = dict[int, Counts | None]  # by department; None: withheld; absent: nobody answered
MODELS = ("int_departments_ordered", "int_departments_pooled")


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with empty_database() as connection:
        yield connection


def publish(
    connection: duckdb.DuckDBPyConnection, worlds: list[World], min_group_size: int
) -> list[Published]:
    """What the models publish of each table; a table is a survey type."""
    connection.execute("delete from nps.raw.workspace")
    connection.execute(
        "insert into nps.raw.workspace (min_group_size) values (?)", [min_group_size]
    )
    rows = [
        (f"{number}", f"{department}", *counts, sum(counts))
        for number, world in enumerate(worlds)
        for department, counts in enumerate(world)
    ]
    names = ("survey_type", "department", "promoters", "passives", "detractors", "voices")
    given = pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
    connection.register("given", given)
    connection.execute("delete from nps.intermediate.int_departments_counted")
    connection.execute(
        "insert into nps.intermediate.int_departments_counted by name select *, 'enps' as metric, "
        "date '2025-07-01' as period_start, date '2025-09-30' as period_end from given"
    )
    rebuild(connection, MODELS)
    published: list[Published] = [{} for _ in worlds]
    for number, department, is_suppressed, *counts in connection.execute(
        "select survey_type, department, is_suppressed, promoters, passives, detractors "
        f"from ({compiled('enps_by_department')})"
    ).fetchall():
        published[int(number)][int(department)] = None if is_suppressed else tuple(counts)
    return published


def score(counts: Counts) -> float | None:
    return (counts[0] - counts[2]) / sum(counts) if sum(counts) else None


FIGURES: dict[str, Callable[[Counts], object]] = {
    "row": lambda counts: counts,
    "responses": sum,
    "nps": score,
}


def recovered(
    worlds: Iterable[World], published: Iterable[Published], most: int
) -> dict[str, list[World]]:
    """Tables of which a withheld figure is known, by the figure.

    Whoever reads knows the total of each class as well, as fct_nps_by_period has it. Only tables
    are judged of which any withheld department might hold all that the others leave: ``most`` is
    how many answers a department has at most here, which no reader would know.
    """
    alike: dict[object, list[World]] = defaultdict(list)
    hidden: dict[object, list[int]] = {}
    for world, shown in zip(worlds, published, strict=True):
        total = tuple(map(sum, zip(*world, strict=True)))
        view = (total, tuple(sorted(shown.items(), key=lambda item: item[0])))
        alike[view].append(world)
        hidden[view] = [department for department, counts in shown.items() if counts is None]
    found: dict[str, list[World]] = defaultdict(list)
    for view, same in alike.items():
        total = view[0]
        if sum(sum(same[0][department]) for department in hidden[view]) > most:
            continue
        for name, figure in FIGURES.items():
            # answers of one class alone: the total says what everybody said
            if name == "nps" and max(total) == sum(total):
                continue
            for department in hidden[view]:
                if len({figure(world[department]) for world in same}) == 1:
                    found[name] += same
    return found


def test_no_figure_follows_from_the_others(connection):
    """Every table of three departments of at most five answers, in all classes; at least 2."""
    most = 5
    cells = [c for c in itertools.product(range(most + 1), repeat=3) if sum(c) <= most]
    # by symmetry of promoters and detractors, and of departments, one of each kind would do: the
    # departments' names decide between equal ones, so that all orders are tried
    worlds = list(itertools.product([c for c in cells if c[1] == 0], repeat=3))
    published = publish(connection, worlds, min_group_size=2)
    assert any(None in shown.values() for shown in published)
    assert recovered(worlds, published, most) == {}


@pytest.mark.parametrize(("departments", "most"), [(2, 30), (3, 16), (4, 9)])
def test_no_number_of_answers_follows_from_the_others(connection, departments, most):
    """At least 5: sizes alone decide who is withheld, as long as there are answers of two classes."""
    worlds = [
        tuple((n - n // 2, 0, n // 2) for n in sizes)
        for sizes in itertools.product(range(most + 1), repeat=departments)
    ]
    published = publish(connection, worlds, min_group_size=5)
    alike: dict[object, set[tuple[int, ...]]] = defaultdict(set)
    hidden: dict[object, list[int]] = {}
    for world, shown in zip(worlds, published, strict=True):
        sizes = tuple(map(sum, world))
        shown_sizes = {key: counts and sum(counts) for key, counts in shown.items()}
        view = (sum(sizes), tuple(sorted(shown_sizes.items(), key=lambda item: item[0])))
        alike[view].add(sizes)
        hidden[view] = [department for department, counts in shown.items() if counts is None]
    known = [
        view
        for view, same in alike.items()
        for department in hidden[view]
        if len({sizes[department] for sizes in same}) == 1
        and sum(next(iter(same))[d] for d in hidden[view]) <= most
    ]
    assert known == []


def test_withholding_small_departments_alone_would_be_found_out(connection):
    """The same search finds what follows by subtraction from the total."""
    worlds = list(itertools.product([(p, 0, d) for p in range(4) for d in range(4)], repeat=3))
    naive: list[Published] = [
        {
            department: None if sum(counts) < 2 else counts
            for department, counts in enumerate(world)
            if sum(counts)
        }
        for world in worlds
    ]
    found = recovered(worlds, naive, most=3)
    assert ((1, 0, 0), (2, 0, 1), (0, 0, 3)) in found["row"]


def test_nobody_is_withheld_without_need(connection):
    worlds = [((3, 1, 1), (0, 0, 5), (0, 0, 0)), ((4, 0, 0), (9, 0, 9), (9, 1, 9))]
    published = publish(connection, worlds, min_group_size=5)
    assert published == [
        {0: (3, 1, 1), 1: (0, 0, 5)},
        {0: None, 1: None, 2: (9, 1, 9)},
    ]
