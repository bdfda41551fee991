"""The SQL that reads times in declared formats and writes them as canonical texts in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass

from orchestration.core.sql import literal
from orchestration.lake.months import in_english
from orchestration.workspace.model import Source

# RFC 3339's profile of ISO 8601, and with it a date alone, a space for the T, a time without
# seconds, an offset without minutes or colon. Never a bare number, never another order.
_ISO = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?"
    r"(Z|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)?)?"
)
# Days since 30 December 1899, as Excel counts them, and that day in microseconds.
_EXCEL_DAYS = r"[0-9]{2,7}(\.[0-9]{1,17})?"
_EXCEL_EPOCH_US = -2_209_161_600_000_000
# Further from a change of the clocks than any of them ever was (Samoa left out 24 hours).
_AROUND_US = 26 * 3_600_000_000
# A pattern's own Z after the time, as in %H:%M:%SZ, says UTC.
_UTC_LITERAL = re.compile(r"%-?[HMSTXfgnc]Z(?![A-Za-z])")


def _parsed(text: str, pattern: str) -> tuple[str, str, str]:
    """SQL of a text read by one format: the time, whether it is an instant, whether only a day.

    The time is a TIMESTAMP: in UTC if it is an instant, else what the clock on the wall showed.
    """
    if pattern == "iso":
        value = f"trim({text})"
        seconds = (
            f"case when substr({value}, 17, 1) in ('Z', '+', '-') then substr({value}, 1, 16) "
        )
        seconds += f"|| ':00' || substr({value}, 17) else {value} end"
        tail = f"substr({value}, 11)"
        zoned = "(" + " or ".join(f"contains({tail}, '{mark}')" for mark in "Z+-") + ")"
        instant = f"make_timestamp(epoch_us(try_cast({seconds} as timestamptz)))"
        time = (
            f"case when not regexp_full_match({value}, {literal(_ISO)}) then null "
            f"when {zoned} then {instant} else try_cast({value} as timestamp) end"
        )
        return time, zoned, f"length({value}) = 10"
    if pattern in ("epoch_s", "epoch_ms"):
        value = f"trim({text})"
        digits, scale = ("11", 1_000_000) if pattern == "epoch_s" else ("14", 1_000)
        number = f"try_cast(try_cast({value} as decimal(24, 6)) * {scale} as bigint)"
        shape = literal(rf"-?[0-9]{{1,{digits}}}(\.[0-9]{{1,6}})?")
        time = f"case when regexp_full_match({value}, {shape}) then make_timestamp({number}) end"
        return time, "true", "false"
    if pattern == "excel":
        value = f"trim({text})"
        # to the millisecond: a double of days has no more; 61 is 1 March 1900, and the days before
        # it count a 29 February that there was not
        days = f"try_cast({value} as double)"
        time = (
            f"case when regexp_full_match({value}, {literal(_EXCEL_DAYS)}) and {days} >= 61 then "
            f"make_timestamp({_EXCEL_EPOCH_US} "
            f"+ cast(round({days} * 86400000) as bigint) * 1000) end"
        )
        return time, "false", f"not contains({value}, '.')"
    only_day = "false" if re.search(r"%-?[HIMSTXfgncp]", pattern) else "true"
    # strptime also reads 'infinity' and 'epoch', as the year 1900.
    value = f"case when regexp_matches({text}, '[0-9]') then {text} end"
    if re.search(r"%[zZ]", pattern):
        if pattern.endswith("%z"):
            value = _with_plain_offset(value, pattern)
        return f"make_timestamp(epoch_us({_strptime(value, pattern)}))", "true", only_day
    is_utc = "true" if _UTC_LITERAL.search(pattern) else "false"
    return _strptime(value, pattern), is_utc, only_day


def time_read(text: str, pattern: str) -> str:
    """SQL of the TIMESTAMP that a format reads in a text; NULL where the text does not fit it."""
    return _parsed(text, pattern)[0]


def _strptime(value: str, pattern: str) -> str:
    """SQL of a text read by a strptime pattern; a month may have its name in other languages."""
    texts = [value, *in_english(value, pattern)]
    return f"coalesce({', '.join(f'try_strptime({t}, {literal(pattern)})' for t in texts)})"


def _with_plain_offset(value: str, pattern: str) -> str:
    """SQL of a text whose offset at the end is written as ``+01:00``, the one form that is read.

    ``Z``, ``UTC`` and ``GMT`` alone are no offset; ``GMT+1``, ``UTC-3:30`` and ``+1`` have the hour
    as one digit or a name before it. The name stays where the pattern has it.
    """
    name = "GMT|UTC"
    kept = r"\1" if re.search(rf"({name})%z$", pattern) else ""
    for old, new in (
        (r"Z\s*$", "+00:00"),
        (rf"({name})\s*$", rf"{kept}+00:00"),
        (rf"({name})\s?([+-][0-9:]+)\s*$", rf"{kept}\2"),
        (r"([+-])([0-9](:?[0-9]{2})?)\s*$", r"\10\2"),
    ):
        value = f"regexp_replace({value}, {literal(old)}, {literal(new)})"
    return value


@dataclass(frozen=True)
class Timed:
    """The SQL of one time column.

    Attributes:
        layers: select lists, each over the one before; the first is over the cells.
        utc: microseconds of the instant (of a date: of its midnight), NULL where there is none.
        text: the canonical text, and the text as delivered where there is none.
        flag: ``<column>:<what is wrong>`` or NULL.
        naive: whether a row's time named no zone; two layers suffice for it.
    """

    layers: tuple[tuple[str, ...], ...]
    utc: str
    text: str
    flag: str
    naive: str


def _wall(zone: str, microseconds: str) -> str:
    """SQL of what the clocks of a zone show at an instant, in microseconds."""
    return f"epoch_us(timezone({literal(zone)}, make_timestamptz({microseconds})))"


def timed(name: str, cell: str, formats: tuple[str, ...], zone: str, *, is_date: bool) -> Timed:
    """Build the SQL of one time column.

    A clock's time becomes an instant by the zone's rules. Near a change of the clocks there are
    two candidates, by the offset before and by the one after: if both show that time on the wall
    it is ambiguous and the earlier is meant; if neither does, it does not exist. A day without a
    time begins where it begins, also where its midnight is skipped or comes twice.

    Args:
        name: the canonical column.
        cell: SQL of the text.
        formats: strptime patterns, ``iso``, ``epoch_s``, ``epoch_ms``, ``excel``; the first that
            fits wins.
        zone: IANA name.
        is_date: whether a day is wanted rather than an instant.
    """
    p, z, d, w = (f"_{letter}_{name}" for letter in "pzdw")
    parsed = [_parsed(cell, each) for each in formats]
    times = [f"_p{place}_{name}" for place in range(len(parsed))]
    fits = [
        " ".join(
            f"when {time} is not null then {each[place]}"
            for time, each in zip(times, parsed, strict=True)
        )
        for place in (1, 2)
    ]
    layers = [
        [f"{sql} as {alias}" for alias, (sql, _, _) in zip(times, parsed, strict=True)],
        [
            # Before the year 1 and after 9999 there is no canonical text.
            f"case when coalesce({', '.join(times)}) between timestamp '0001-01-03' and timestamp "
            f"'9999-12-29' then coalesce({', '.join(times)}) end as {p}",
            f"case {fits[0]} end as {z}",
            f"case {fits[1]} end as {d}",
        ],
        [f"epoch_us({p}) as {w}"],
    ]
    flags = f"when {cell} is not null and {p} is null then {literal(name + ':bad_timestamp')}"
    if zone == "UTC":
        utc = w
    elif is_date:
        utc = f"case when {z} then {_wall(zone, w)} else {w} end"
    else:
        local, utc, more = _local_instant(name, zone)
        layers += local
        flags += more
    pattern = "%Y-%m-%d" if is_date else "%Y-%m-%dT%H:%M:%S.%fZ"
    text = f"coalesce(strftime(make_timestamp({utc}), {literal(pattern)}), {cell})"
    naive = f"{p} is not null and not {z}"
    return Timed(tuple(map(tuple, layers)), utc, text, f"case {flags} end", naive)


def _local_instant(name: str, zone: str) -> tuple[list[list[str]], str, str]:
    """The layers that make an instant of a zone's local time, its column, and the flags' cases.

    Args:
        name: the canonical column; the layers before have ``_p_``, ``_z_``, ``_d_`` and ``_w_``.
        zone: IANA name.
    """
    p, z, d, w, i, b, a, o, u = (f"_{letter}_{name}" for letter in "pzdwibaou")
    local = f"{p} is not null and not {z}"
    guess = f"epoch_us(timezone({literal(zone)}, {p}))"
    before, after = f"{i} - {_AROUND_US}", f"{i} + {_AROUND_US}"
    shown = [f"coalesce({_wall(zone, f'{w} - {offset}')} = {w}, false)" for offset in (b, a)]
    begins = f"make_timestamp({_wall(zone, i)})::date = {p}::date"
    layers = [
        [f"case when {local} then {guess} end as {i}"],
        [
            f"{_wall(zone, before)} - ({before}) as {b}",
            f"{_wall(zone, after)} - ({after}) as {a}",
        ],
        [f"case when {b} <> {a} then {shown[0]}::int + 2 * {shown[1]}::int end as {o}"],
        [
            f"case when {z} then {w} when {o} is null or {o} = 1 then {w} - {b} "
            f"when {o} = 2 then {w} - {a} when {o} = 3 then least({w} - {b}, {w} - {a}) "
            f"when {d} and {begins} then {i} end as {u}"
        ],
    ]
    flags = (
        f" when {o} = 0 and {u} is null then {literal(name + ':nonexistent_local_time')}"
        f" when {o} = 3 and not {d} then {literal(name + ':ambiguous_local_time')}"
    )
    return layers, u, flags


def times_query(source: Source, name: str, zone: str, *, is_date: bool) -> str:
    """SQL of the canonical texts of the relation ``texts`` (column ``cell``), and of their flags.

    Args:
        source: the mapping, for the formats.
        name: the canonical column.
        zone: IANA name of what a time without an offset means.
        is_date: whether a day is wanted rather than an instant.
    """
    formats = source.formats_of(name)
    each = timed(name, "cell", formats, zone, is_date=is_date)
    step = "texts"
    for layer in each.layers:
        step = f"(select *, {', '.join(layer)} from {step})"
    return f"select {each.text}, {each.flag} from {step}"


def snapshot_names_query(pattern: str, zone: str) -> str:
    """SQL of the instants in names of files, as microseconds, or NULL.

    The names are the relation ``named`` with the columns ``place`` and ``cell``; the instants come
    in the order of ``place``.
    """
    each = timed("named", "cell", (pattern,), zone, is_date=False)
    step = "select * from named"
    for layer in each.layers:
        step = f"select *, {', '.join(layer)} from ({step})"
    return f"select {each.utc} from ({step}) order by place"
