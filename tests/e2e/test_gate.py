"""Whatever happens before the end of a run, what was published stays; a re-run repairs the rest.

The workspaces are copies of the crooked one, which has been published once with data.
"""

from __future__ import annotations

import json
import re

import crooked
import e2e_support as e2e
import pytest


def generation_of(root) -> str:
    ((generation_id,),) = e2e.marts(root, "select generation_id from marts._generation")
    return generation_id


# --- a critical check fails ---------------------------------------------------------------------


def test_a_failed_check_is_told_and_ends_with_1(blocked_run):
    run = blocked_run.run
    assert run.code == 1, run.out + run.err
    assert "Traceback" not in run.out + run.err
    failed = re.findall(r"^ +FAILED +(\S+)$", run.summary, re.MULTILINE)
    # the address stands in every table that carries the region
    assert set(failed) >= {"dim_customers.no_emails"}
    assert all(name.endswith(".no_emails") for name in failed)
    assert f"{len(failed)} failed" in run.shown("Checks")


def test_a_failed_check_leaves_the_generation_before(blocked_run, crooked_run):
    assert e2e.published_files(blocked_run.root) == e2e.published_files(crooked_run.root)
    shown = blocked_run.run.shown("Published")
    assert shown.startswith("NOT PUBLISHED")
    assert generation_of(crooked_run.root) in shown
    assert re.search(r"and \d+ (second|minute)s? old", shown)
    assert f"as of {crooked.AS_OF}" in shown


def test_what_failed_is_in_the_build_and_not_in_what_is_published(blocked_run):
    """The check was right: the address did get as far as the build."""
    with e2e.opened(blocked_run.root / "warehouse/marts.duckdb") as build:
        regions = build.execute("select region from marts.dim_customers").fetchall()
    assert (crooked.LEAKED,) in regions
    for path in (blocked_run.root / "published").rglob("*"):
        if path.is_file() and path.name != "restricted.duckdb":
            assert crooked.LEAKED.encode() not in path.read_bytes()


def test_nobody_is_told_the_address(blocked_run):
    assert crooked.LEAKED not in blocked_run.run.out + blocked_run.run.err
    for path in (blocked_run.root / "runs").rglob("*"):
        if path.is_file():
            assert crooked.LEAKED.encode() not in path.read_bytes(), path


def test_the_webhook_hears_which_step_failed_and_nothing_personal(blocked_run):
    assert blocked_run.posted
    for body in blocked_run.posted:
        assert set(json.loads(body)) == {"text"}
        assert "@" not in body
    (text,) = (json.loads(body)["text"] for body in blocked_run.posted if "mart_checks" in body)
    assert "step mart_checks of refresh failed" in text
    assert re.search(r"dim_customers\.no_emails failed .* region: [\d,]+ rows?\.", text)


def test_a_failed_check_explains_itself_on_the_screen(blocked_run):
    lines = re.findall(r"^ *[\d.]+ s  blocked +(.*)$", blocked_run.run.out, re.MULTILINE)
    assert any(
        line.startswith("dim_customers.no_emails failed (unexpected rows ") for line in lines
    )
    assert any(re.fullmatch(r"region: [\d,]+ rows?", line) for line in lines)
    # what passed is counted as passed
    assert re.search(r"\d{3,} passed", blocked_run.run.shown("Checks"))


def test_the_raw_boundary_stops_a_run_before_a_model_is_built(crooked_run):
    """Most rows of the crooked files cannot be read: with the usual bound nothing is built."""
    run = crooked_run.narrow
    assert re.findall(r"^ +FAILED +(\S+)$", run.summary, re.MULTILINE) == ["files.quarantine_rate"]
    assert not re.search(r"transform +\d+/\d+ ", run.out)
    (generation,) = crooked_run.narrow_generations
    assert generation in run.shown("Published")


# --- a run is interrupted -----------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["ingest", "models", "checks", "publish"])
def test_a_signal_stops_a_run_within_seconds_and_nothing_is_published(interrupted_run, stage):
    run, seconds, published = interrupted_run.stopped[stage]
    assert run.code == 130, run.out + run.err
    assert seconds < 10
    assert "stopped; nothing half done is published" in run.err.splitlines()
    assert "Traceback" not in run.out + run.err
    assert published == interrupted_run.published_before


# --- a run is killed ----------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["between models", "in the gate"])
def test_a_killed_run_publishes_nothing(killed_run, moment):
    assert killed_run.published_after[moment] == killed_run.published_before
    screen = killed_run.seen[moment]
    assert not re.search(r"^ *[\d.]+ s  publish ", screen, re.MULTILINE)
    built = re.findall(r"transform +(\d+)/(\d+) ", screen)
    assert built
    if moment == "between models":
        assert int(built[-1][0]) < int(built[-1][1])


def test_the_run_after_a_kill_publishes(killed_run):
    run = killed_run.run
    assert run.code == 0, run.out + run.err
    assert generation_of(killed_run.root) in run.shown("Published")
    leftovers = [
        path.name
        for path in (killed_run.root / "published").iterdir()
        if path.name.endswith((".tmp", ".wal", ".previous"))
    ]
    assert leftovers == []
    temporary = list((killed_run.root / "lake").rglob(".tmp-*"))
    assert temporary == []


def test_what_is_published_after_a_kill_is_what_a_quiet_run_would_have_published(
    killed_run, crooked_run
):
    """Before the kills a known answer was delivered twice more: all but its account stays."""
    before = e2e.tables_of(crooked_run.root)
    after = e2e.tables_of(killed_run.root)
    account = "marts.ingest_reconciliation"
    for name in before.keys() - {account}:
        assert after[name] == before[name], name
    names = {row[3] for row in after[account]} - {row[3] for row in before[account]}
    assert names == {"survey_responses_3.csv"}

    def total(rows: list[tuple], place: int) -> int:
        return sum(row[place] for row in rows)

    more = [total(after[account], place) - total(before[account], place) for place in range(7, 13)]
    # delivered, accepted, quarantined, duplicate, superseded, deleted
    assert more == [2, 0, 0, 2, 0, 0]
