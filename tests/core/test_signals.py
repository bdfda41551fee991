"""Ctrl-C and SIGTERM end a process within seconds, whatever holds them back."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

START = """
import sys, time
from orchestration.core.signals import is_stopping, leave, stop_on_signals
stop_on_signals(grace_seconds=1)
print("ready", flush=True)
"""
BODIES = {
    "asleep": "try:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    leave()",
    # an op of Dagster's, dbt's threads and DuckDB's queries do as this one
    "swallowed": """
while True:
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        pass
""",
    "handler replaced": """
import signal
signal.signal(signal.SIGINT, lambda *_: None)
signal.signal(signal.SIGTERM, lambda *_: None)
time.sleep(60)
""",
    # what can't be taken back asks first, where the signal itself is held back
    "asks": """
import signal
from orchestration.core.signals import refuse_to_go_on
signal.signal(signal.SIGINT, lambda *_: None)
signal.signal(signal.SIGTERM, lambda *_: None)
try:
    while True:
        refuse_to_go_on()
        time.sleep(0.01)
except KeyboardInterrupt:
    leave()
""",
    # DuckDB says of an interrupted query that it failed, and so does an interrupted import
    "in a query": """
many = "select count(*) from range(3000000) a, range(3000000) b where hash(a.range, b.range) = 1"
try:
    import duckdb
    duckdb.sql(many).fetchall()
except BaseException:
    if is_stopping():
        leave()
    raise
""",
}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda each: each.name)
@pytest.mark.parametrize("body", BODIES)
def test_a_signal_ends_the_process(body, number):
    process = subprocess.Popen(
        [sys.executable, "-c", START + BODIES[body]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err == "stopped; nothing half done is published\n"


def test_the_second_signal_does_not_wait():
    process = subprocess.Popen(
        [sys.executable, "-c", START.replace("=1", "=600") + BODIES["swallowed"]],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    for _ in range(2):
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130


def test_a_signal_that_the_shell_ignores_ends_the_process_all_the_same():
    process = subprocess.Popen(
        ["sh", "-c", 'trap \'\' INT; exec "$0" -c "$1"', sys.executable, START + BODIES["asleep"]],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130
