"""What themes of comments cost: ``python -m benchmarks.themes N``.

N comments of some fifteen words, in English, French, German and Dutch, half of them of no declared
language, go through the models that read comments, on two threads and 2 GB; all are of detractors
of the last 180 days, so that emerging terms read them, too. It reports the seconds of each model
and the peak memory of the process.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import duckdb

from benchmarks.foundation import PROJECT
from sample import voices

MODELS = (
    *("int_theme_terms_read", "int_comment_languages", "int_themes_matched"),
    "int_terms_counted",
)
FILLERS = ["the", "of", "and", "to", "that", "it", "was", "for", "they", "at", "this", "have"]


def fill(connection: duckdb.DuckDBPyConnection, count: int) -> None:
    """N comments: a sentence of the sample and some common words, one of which is rare."""
    sentences = [
        (language, sentence)
        for language, by_class in voices.SENTENCES.items()
        for each in by_class.values()
        for sentence in each
    ]
    connection.execute("create temp table sentences (place int, language varchar, text varchar)")
    connection.executemany(
        "insert into sentences values (?, ?, ?)",
        [(place, *row) for place, row in enumerate(sentences)],
    )
    connection.execute(
        f"""
        create temp table drawn as
        select
            lpad(n::varchar, 9, '0') as response_key,
            case when hash(n) % 2 = 0 then language end as language,
            text || ' ' || (
                select string_agg(({FILLERS})[1 + (hash(n, i) % {len(FILLERS)})::int], ' ')
                from range((hash(n, 'length') % 12)::int + 1) as r (i)
            ) || ' w' || (hash(n, 'rare') % 200000) as comment
        from range({count}) as numbers (n)
        inner join sentences on place = (hash(n, 'sentence') % {len(sentences)})::int
        """
    )
    connection.execute(
        "insert into restricted.response_comments by name select response_key, comment from drawn"
    )
    connection.execute(
        "insert into marts.fct_nps_responses by name select response_key, language, "
        "response_key as voice_key, 'nps' as metric, 'relational' as survey_type, "
        "-100 as contribution, true as has_comment, "
        "date '2025-12-31' - (hash(response_key, 'day') % 180)::int as responded_on from drawn"
    )
    connection.execute(
        "insert into intermediate.int_headline_windows_chosen by name select 'nps' as metric, "
        "'relational' as survey_type, 90 as window_days, date '2025-12-31' as as_of_on"
    )
    connection.execute(
        "insert into raw.workspace by name "
        "select date '2025-12-31' as as_of_on, 5 as min_group_size"
    )
    connection.execute("drop table drawn")


def main() -> None:
    """Fill, run the models as dbt compiled them, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("comments", type=int)
    comments = parser.parse_args().comments
    sys.path.insert(0, str(PROJECT / "tests"))
    from dbt_support import compiled, empty_database

    with empty_database() as connection:
        connection.execute("set threads = 2")
        connection.execute("set memory_limit = '2GB'")
        fill(connection, comments)
        for model in MODELS:
            started, used = time.monotonic(), time.process_time()
            connection.execute(f"insert into intermediate.{model} by name {compiled(model)}")
            spent, busy = time.monotonic() - started, time.process_time() - used
            print(f"{model:<24}{spent:6.1f} s, {busy:6.1f} s of processors")
        for table in ("restricted.response_comments", "intermediate.int_themes_matched"):
            ((rows,),) = connection.execute(f"select count(*) from {table}").fetchall()
            print(f"{table:<36}{rows:>12,} rows")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"peak of the process {peak:.1f} GiB, dbt's own included; {Path(__file__).name}")


if __name__ == "__main__":
    main()
