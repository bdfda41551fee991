"""A whole run needs no network, and nothing in it asks for one.

The sample's first run of the session is done behind a guard (`guard/sitecustomize.py`) that refuses
every socket but loopback and files, and reports who tried; where the machine allows it, inside a
network namespace that has no network, so that native code finds none either.
"""

from __future__ import annotations

import os
import subprocess
import sys

import e2e_support as e2e
import pytest


def test_a_run_ends_well_without_a_network(sample_run):
    assert sample_run.run.code == 0, sample_run.run.out + sample_run.run.err


def test_nothing_in_a_run_asks_for_the_network(sample_run):
    assert sample_run.attempts == []


def test_the_report_fetches_nothing(sample_run):
    page = (sample_run.root / "published/report/index.html").read_text("utf-8").casefold()
    for marker in ("http://", "https://", "//cdn", "@import", "url(http", "src="):
        assert marker not in page


@pytest.mark.parametrize(
    ("code", "is_refused"),
    [
        ("import socket; socket.create_connection(('192.0.2.1', 9), 1)", True),
        ("import socket; socket.getaddrinfo('telemetry.example', 443)", True),
        (
            "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9))",
            True,
        ),
        ("import urllib.request as u; u.urlopen('http://telemetry.example/')", True),
        ("import socket; socket.getaddrinfo('127.0.0.1', 80)", False),
        ("import socket; a, b = socket.socketpair(); a.send(b'x'); b.recv(1)", False),
    ],
)
def test_the_guard_refuses_and_tells(tmp_path, code, is_refused):
    log = tmp_path / "log"
    log.touch()
    guard = os.path.join(os.path.dirname(__file__), "guard")
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": guard, "NPS_E2E_NETWORK_LOG": str(log)},
        cwd=e2e.REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode != 0) == is_refused
    assert ("the guard refuses" in done.stderr) == is_refused
    assert bool(log.read_text()) == is_refused
