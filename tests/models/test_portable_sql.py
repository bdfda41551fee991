"""Models use the SQL that DuckDB and Spark share: rules over the SQL that dbt compiled.

Each rule is a function of a model's SQL that returns what breaks it. What an engine says in its own
words is dispatched, in `macros/dialect.sql` alone: that rule looks at the code as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dbt_support import compiled, nodes, ours
from sqlglot import exp, parse_one, tokenize
from sqlglot.optimizer.scope import traverse_scope
from sqlglot.tokens import Token, TokenType

Rule = Callable[[str], list[str]]


def decimal_literals(sql: str) -> list[str]:
    """Numbers such as 1.0: Spark computes on with them as decimals and rounds (`100.0 * 3 / 7`)."""
    return [
        token.text
        for token in tokenize(sql, dialect="duckdb")
        if token.token_type is TokenType.NUMBER and "." in token.text and "e" not in token.text
    ]


def orders_without_nulls(sql: str) -> list[str]:
    """Items of `order by` that leave open where NULL goes: DuckDB puts it last, Spark not always."""
    tokens = tokenize(sql, dialect="duckdb")
    return [
        " ".join(token.text for token in item)
        for place, token in enumerate(tokens)
        if token.token_type is TokenType.ORDER_BY
        for item in _ordered_items(tokens[place + 1 :])
        if [t.text.lower() for t in item[-2:-1]] != ["nulls"]
    ]


def _ordered_items(tokens: list[Token]) -> Iterator[list[Token]]:
    """The items after an `order by`, until its parenthesis closes or its frame begins."""
    item: list[Token] = []
    depth = 0
    for token in tokens:
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(token.token_type, 0)
        ends = token.text.lower() in ("rows", "range", "groups", "limit") and depth == 0
        if depth < 0 or ends:
            break
        if token.token_type is TokenType.COMMA and depth == 0:
            yield item
            item = []
        else:
            item.append(token)
    yield item


def starred_lists(sql: str) -> list[str]:
    """`* exclude (…)` and its kin, which every engine writes otherwise."""
    return re.findall(r"\*\s*(?:exclude|except|replace|rename)\b", _bare(sql))


def shadowing_aliases(sql: str) -> list[str]:
    """Aliases that the select's own where, group by, having or windows use unqualified.

    Whether the name means the source's column or the alias there is decided otherwise by every
    engine: the column is to be qualified, the alias to bear a name of its own.
    """
    found = []
    for scope in traverse_scope(parse_one(sql, dialect="duckdb")):
        select = scope.expression
        if isinstance(select, exp.Select):
            aliases = {
                item.alias.lower()
                for item in select.expressions
                if isinstance(item, exp.Alias) and not _is_own_column(item)
            }
            found += [name for name in _unqualified(select) if name in aliases]
    return found


def _is_own_column(alias: exp.Alias) -> bool:
    """`x.day as day` and `day as day`: the alias is the column."""
    return isinstance(alias.this, exp.Column) and alias.this.name.lower() == alias.alias.lower()


def _unqualified(select: exp.Select) -> Iterator[str]:
    """Names of columns without a table in the clauses of a select, its windows included."""
    clauses = [select.args.get(name) for name in ("where", "group", "having", "qualify")]
    clauses += select.args.get("windows") or []
    for item in select.expressions:
        clauses += item.find_all(exp.Window)
    for clause in clauses:
        for column in clause.find_all(exp.Column) if clause else ():
            if not column.table and column.parent_select is select:
                yield column.name.lower()


def _bare(code: str) -> str:
    """Code without Jinja, comments and quoted texts."""
    for pattern in (r"\{#.*?#\}", r"\{%.*?%\}", r"\{\{.*?\}\}", r"--[^\n]*", r"'[^']*'"):
        code = re.sub(pattern, " ", code, flags=re.DOTALL)
    return code


def _sql_models() -> dict[str, dict[str, Any]]:
    """All models but those in Python, which do what SQL cannot."""
    return {name: node for name, node in nodes("model").items() if node["language"] == "sql"}


RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (decimal_literals, orders_without_nulls, starred_lists, shadowing_aliases)
}


@pytest.mark.parametrize("rule", RULES)
def test_compiled_models_keep_the_rule(rule: str):
    broken = {name: RULES[rule](compiled(name)) for name in _sql_models()}
    assert not {name: parts for name, parts in broken.items() if parts}


@pytest.mark.parametrize(
    ("rule", "breaking", "keeping"),
    [
        ("decimal_literals", "select 1.0 * a from t", "select 1e0 * a, '1.0', 1.5e0 from t"),
        (
            "orders_without_nulls",
            "select lag(a) over (partition by b order by coalesce(c, d), e desc nulls last) from t",
            "select lag(a) over w from t window w as (order by c nulls first, d desc nulls last "
            "rows between 1 preceding and current row)",
        ),
        (
            "starred_lists",
            "select * exclude (a) from t",
            "select a, b from t except select * from u",
        ),
        (
            "shadowing_aliases",
            "select coalesce(a, 0) as a from t group by a",
            "select coalesce(t.a, 0) as a, t.b from t where t.a > 0 group by t.a, b",
        ),
        (
            "shadowing_aliases",
            "select 0 as days from t group by b having min(days) > 0",
            "select days from t where b in (select max(days) as b from u) having min(days) > 0",
        ),
        (
            "shadowing_aliases",
            "select max(a) over (order by b) as b from t",
            "select max(a) over (order by b) as c, t.b from t",
        ),
    ],
)
def test_a_rule_finds_what_breaks_it(rule: str, breaking: str, keeping: str):
    assert RULES[rule](breaking)
    assert not RULES[rule](keeping)


# --- functions --------------------------------------------------------------------------------

# What models and macros may call by name: functions of both engines with one meaning.
SHARED_FUNCTIONS = """
    abs avg cast ceil coalesce corr count exp extract first_value floor greatest grouping lag last_value lead
    least left length ln lower max min nullif percentile_cont power rank round row_number sqrt sum trim
    upper
"""
# Words before a parenthesis that call nothing.
KEYWORDS = """
    all and any as between by case decimal distinct else except exists from group having in insert into is
    join lateral not on or over partition select sets some then union using values when where window
"""
# What prepares or keeps a build, in statements of its own, is written for DuckDB.
DIALECT = ("macros/dialect.sql", "macros/lake.sql")
# A test compares rows by their hash; columns are still excluded by name.
ELSEWHERE = ("macro test_holds",)


def _called(code: str) -> set[str]:
    names = re.findall(r"(?<![\w.])([a-z_][a-z0-9_]*)\s*\(", _bare(code).lower())
    return {*names} - {*SHARED_FUNCTIONS.split(), *KEYWORDS.split()}


def _written() -> dict[str, str]:
    """The code of every model, and of every macro that isn't dispatched."""
    code = {f"model {name}": node["raw_code"] for name, node in _sql_models().items()}
    for name, macro in ours("macros").items():
        if macro["original_file_path"] not in DIALECT:
            code[f"macro {name}"] = macro["macro_sql"]
    return code


def test_engine_words_stay_in_the_dialect():
    found = {where: _called(code) for where, code in _written().items() if where not in ELSEWHERE}
    assert not {where: sorted(names) for where, names in found.items() if names}
    assert not [where for where, code in _written().items() if "::" in _bare(code)]


def test_an_engine_word_would_be_found():
    assert _called("select arg_max(a, b), count(*), {{ list(c) }} from t -- unnest(d)") == {
        "arg_max"
    }
