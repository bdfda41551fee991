"""New actions as signed webhooks and Slack messages: each once, whatever the other side does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import duckdb
import pytest

from orchestration import cli
from orchestration.core.files import read_json_lines
from orchestration.sending.messages import secret_key, signature
from orchestration.sending.post import post_json
from orchestration.sending.send import send_actions
from orchestration.workspace.load import load_workspace

# The example of the Standard Webhooks specification: secret, id, time, body and what they give.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EXAMPLE = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
SIGNED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

ROWS = """
    select md5(number::varchar)::uuid as action_key, 'recover' as action,
        md5('r' || number)::uuid as response_key, md5('c' || number)::uuid as customer_key,
        'C' || number as customer_id, 'Ann <!channel> & Co' as name, 'ann@example.com' as email,
        'relational' as survey_type, 'detractor' as nps_class, 3 as score,
        timestamp '2025-12-30 10:00:00' as responded_at, null::timestamp as contact_due_at,
        'no_target' as sla_state, false as has_open_case, 99.5::double as mrr,
        0.25::double as chance_to_leave, 24.875::double as mrr_at_risk, number as call_rank,
        'scored 3 <b>' as reason
    from range(1, 6) as t (number)
"""


class Receiver:
    """A server on loopback: what it was sent, and how it answers each request."""

    def __init__(self) -> None:
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self.answers: dict[int, int] = {}
        self.address = ""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            found.taken.append((headers, body))
            self.send_response(found.answers.get(len(found.taken), 204))
            self.send_header("Location", found.address)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        found.address = f"http://127.0.0.1:{server.server_port}/token"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield found
        server.shutdown()
        thread.join()


@pytest.fixture
def workspace(tmp_path: Path, receiver, monkeypatch: pytest.MonkeyPatch):
    """Five published actions, and a function that loads the workspace with settings of sending."""
    folder = tmp_path / "published/generations/g1"
    folder.mkdir(parents=True)
    (tmp_path / "published/current").symlink_to("generations/g1")
    (tmp_path / "published/restricted.duckdb").symlink_to("current/restricted.duckdb")
    with duckdb.connect(str(folder / "restricted.duckdb")) as connection:
        connection.execute("create schema restricted.restricted")
        connection.execute(f"create table restricted.restricted.nps_actions as {ROWS}")
    monkeypatch.setenv("NPS_ACTIONS_URL", receiver.address)
    monkeypatch.setenv("NPS_ACTIONS_SECRET", SECRET)

    def load(send: str):
        settings = (
            'version: 1\nsources:\n  - {name: crm, entity: customers, files: "*.csv", '
            "columns: {customer_id: id}}\n"
        )
        settings += f"actions: {{send: {{{send}}}}}\n" if send else ""
        (tmp_path / "workspace.yml").write_text(settings)
        return load_workspace(tmp_path)

    return load


def test_a_signature_is_that_of_the_specification():
    assert signature(secret_key(SECRET), *EXAMPLE) == SIGNED


def test_nothing_is_sent_unless_declared(workspace, receiver):
    assert send_actions(workspace("")) is None
    assert receiver.taken == []


def test_each_action_is_sent_once_the_most_urgent_first(workspace, receiver):
    declared = workspace("to: webhook, most: 3")
    first, second, third = (send_actions(declared) for _ in range(3))
    assert (first.sent, first.waiting, first.problem) == (3, 2, None)
    assert (second.sent, second.waiting, second.problem) == (2, 0, None)
    assert (third.sent, third.waiting, third.problem) == (0, 0, None)
    data = [json.loads(body)["data"] for _, body in receiver.taken]
    assert [each["call_rank"] for each in data] == [1, 2, 3, 4, 5]
    assert len({each["action_key"] for each in data}) == 5


def test_a_message_is_signed_and_says_nothing_of_the_person(workspace, receiver):
    send_actions(workspace("to: webhook, most: 1"))
    ((headers, body),) = receiver.taken
    content = json.loads(body)
    message_id = f"action_{content['data']['action_key']}"
    at = int(headers["webhook-timestamp"])
    assert headers["webhook-id"] == message_id
    assert headers["webhook-signature"] == signature(secret_key(SECRET), message_id, at, body)
    assert abs(datetime.now(UTC).timestamp() - at) < 60
    assert content["type"] == "nps.action.listed"
    assert content["data"]["responded_at"] == "2025-12-30T10:00:00Z"
    assert content["data"]["mrr_at_risk"] == 24.875
    assert not {"name", "email", "customer_id"} & content["data"].keys()


def test_who_it_is_is_sent_where_that_is_declared(workspace, receiver):
    send_actions(workspace("to: webhook, most: 1, identity: true"))
    data = json.loads(receiver.taken[0][1])["data"]
    assert (data["customer_id"], data["email"]) == ("C1", "ann@example.com")


def test_slack_gets_plain_text_without_mentions(workspace, receiver):
    sent = send_actions(workspace("to: slack, identity: true"))
    assert sent.sent == 5
    ((_, body),) = receiver.taken
    content = json.loads(body)
    assert content["mrkdwn"] is False
    lines = content["text"].split("\n")
    assert lines[0] == (
        "recover Ann &lt;!channel&gt; &amp; Co ann@example.com C1: scored 3 &lt;b&gt;"
    )
    assert len(lines) == 5


@pytest.mark.parametrize("code", [302, 307, 400, 500])
def test_what_was_not_taken_waits_for_the_next_run(workspace, receiver, code):
    receiver.answers = {3: code}
    declared = workspace("to: webhook")
    sent = send_actions(declared)
    assert (sent.sent, sent.waiting, sent.problem) == (2, 3, f"the address answered {code}")
    assert "token" not in sent.line
    again = send_actions(declared)
    assert (again.sent, again.waiting, again.problem) == (3, 0, None)
    ids = [headers["webhook-id"] for headers, _ in receiver.taken]
    # the third twice, under one id; nothing followed the redirection
    assert ids[2] == ids[3]
    assert len(ids) == 6
    assert len(read_json_lines(declared.lake / "sent/actions.jsonl")) == 5


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("NPS_ACTIONS_URL", "", "the environment variable NPS_ACTIONS_URL is not set"),
        ("NPS_ACTIONS_SECRET", "", "the environment variable NPS_ACTIONS_SECRET is not set"),
        ("NPS_ACTIONS_SECRET", "whsec_%", "NPS_ACTIONS_SECRET is no signing secret"),
        ("NPS_ACTIONS_SECRET", "c2VjcmV0", "NPS_ACTIONS_SECRET is no signing secret"),
        ("NPS_ACTIONS_URL", "file:///etc/passwd", "none that begins with http:// or https://"),
        ("NPS_ACTIONS_URL", "http://127.0.0.1:9/", "there is no answer from the address"),
    ],
)
def test_what_is_missing_is_said_and_blocks_nothing(
    workspace, receiver, monkeypatch, name, value, problem
):
    monkeypatch.setenv(name, value)
    sent = send_actions(workspace("to: webhook"))
    assert (sent.sent, sent.waiting) == (0, 5)
    assert problem in sent.problem
    assert receiver.taken == []


def test_the_command_sends_at_once(workspace, receiver, monkeypatch, capsys, tmp_path):
    workspace("to: webhook")
    monkeypatch.setenv("NPS_WORKSPACE", str(tmp_path))
    assert cli.main(["send"]) == 0
    assert capsys.readouterr().out == "new actions sent: 5\n"
    workspace("")
    assert cli.main(["send"]) == 2
    assert "add actions: {send: …}" in capsys.readouterr().err


def test_a_run_without_news_sends_what_waits(workspace, receiver, monkeypatch, capsys, tmp_path):
    workspace("to: webhook")
    monkeypatch.setenv("NPS_WORKSPACE", str(tmp_path))
    monkeypatch.setattr(cli, "stop_on_signals", lambda: None)
    monkeypatch.setattr(cli, "unchanged_report", lambda _: "nothing changed")
    receiver.answers = {4: 500}
    assert cli.main(["run"]) == 0
    assert "sent: 3; 2 wait for the next run: the address answered 500" in capsys.readouterr().out
    assert cli.main(["run"]) == 0
    assert capsys.readouterr().out == "nothing changed\nnew actions sent: 2\n"


def test_a_post_to_something_else_than_the_web_is_refused():
    with pytest.raises(ValueError, match="http"):
        post_json("file:///etc/passwd", b"{}")
