"""`nps init`: how files are read that nobody declared, and what is proposed of them."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from orchestration.core.errors import UserError
from orchestration.preview.init import init, new_root
from orchestration.preview.shape import read_table
from orchestration.workspace.current import PROJECT_DIR
from orchestration.workspace.load import load_workspace

DATA = PROJECT_DIR.parent / "shared/data"

# The kinds of exports that people have; every file is invented.
FORMS = """Timestamp,Email Address,"How likely are you to recommend us?",What could be better?
2026/01/05 9:10:11 AM GMT+1,ada@mail.example,10,Nothing comes to my mind at this moment
2026/01/06 9:11:11 PM GMT+1,bob@mail.example,7,A quicker answer from your helpdesk please
2026/02/07 9:12:11 AM GMT+1,cy@mail.example,3,Everything takes far too long and costs more
"""
QUALTRICS = """StartDate,EndDate,Status,Finished,RecordedDate,ResponseId,Q3,Q7,Q8
Start,End,Type,Finished,Recorded,Response ID,How was the delivery?,How likely is it that you tell a friend?,Why?
"{""ImportId"":""startDate""}","{""ImportId"":""endDate""}","{""ImportId"":""status""}","{""ImportId"":""finished""}","{""ImportId"":""recordedDate""}","{""ImportId"":""_recordId""}","{""ImportId"":""QID3""}","{""ImportId"":""QID7""}","{""ImportId"":""QID8_TEXT""}"
2026-01-18 08:28:09,2026-01-18 08:29:48,0,1,2026-01-18 08:29:50,R_a1,4,9,All was well
2026-01-19 08:28:09,2026-01-19 08:29:48,0,1,2026-01-19 08:29:50,R_b2,2,6,It came late
"""
MONKEY = """Respondent ID,Collector ID,Do you cook?,Your region,
,,Response,Response,Open-Ended Response
101,7,Yes,North,often
102,7,No,South,never
103,7,Yes,South,
"""
AMBIGUOUS = "id;client_id;when;score\n1;a;03/04/2026;9\n2;b;05/04/2026;4\n3;a;06/05/2026;10\n"


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


class Person:
    """Answers the questions in turn, and keeps what was said."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.said = iter(answers), []

    def ask(self, question: str) -> str:
        try:
            return next(self.answers)
        except StopIteration:
            raise EOFError from None

    @property
    def heard(self) -> str:
        return "\n".join(self.said)


def made(root: Path, files: Sequence[Path], person: Person | None = None):
    """The workspace's entries by name and entity, and the lines left open."""
    person = person or Person()
    left = init(root, [str(path) for path in files], person.ask, person.said.append)
    content = yaml.safe_load((root / "workspace.yml").read_text("utf-8"))
    return {(e["name"], e["entity"]): e for e in content["sources"]}, left, content


# --- how it is written --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "form"),
    [
        ("a.csv", "id,score\n1,9\n2,8\n", {}),
        ("a.csv", "\ufeffid,score\n1,9\n2,8\n", {}),
        ("a.csv", "id;naïve, or not\n1;9,5\n2;8,5\n".encode("cp1252"),
         {"delimiter": ";", "encoding": "cp1252"}),
        ("a.txt", "id\tscore\n1\t9\n2\t8\n", {"type": "tsv"}),
        ("a.csv", "id,score\n1,9\n2,8\n".encode("utf-16"), {}),
        ("a.csv", "id,score\n1,9\n2,8\n".encode("utf-16-le"), {"encoding": "utf-16-le"}),
        ("a.csv.gz", gzip.compress(b"id|score\n1|9\n2|8\n"), {"delimiter": "|"}),
        ("a.csv", "Answers of March\n\nid,score\n1,9\n2,8\n3,7\n", {"header_rows": 3, "header": 3}),
        ("a.csv", QUALTRICS, {"header_rows": 3, "header": 1}),
        ("a.csv", MONKEY, {"header_rows": 2, "header": 1}),
        ("a.jsonl", '{"id": "1", "who": {"mail": "x"}}\n{"id": "2"}\n', {"type": "jsonl"}),
        ("a.json", '[{"id": "1"}, {"id": "2"}]', {"type": "json"}),
        ("a.json", '{"n": 2, "rows": [{"id": "1"}, {"id": "2"}]}',
         {"type": "json", "records": "rows"}),
    ],
    ids=["commas", "mark", "cp1252", "tabs", "utf-16", "utf-16 unmarked", "gzip", "title",
         "qualtrics", "surveymonkey", "lines", "array", "document"],
)  # fmt: skip
def test_how_a_file_is_written(name, content, form, tmp_path):
    table = read_table(written(tmp_path, name, content))
    assert table.form == form
    assert table.columns.column_names[0] in ("id", "StartDate", "Respondent ID")
    assert table.rows >= 2


def test_a_workbooks_header_is_found_below_its_title(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["Export"], [], ["id", "when", "score"], ["1", "2026-01-05", 9], ["2", "x", 8]):
        book.active.append(row)
    book.create_sheet("Notes").append(["one"])
    book.save(tmp_path / "a.xlsx")
    table = read_table(tmp_path / "a.xlsx")
    assert table.form == {"type": "xlsx", "sheet": "Sheet", "header_rows": 3, "header": 3}
    assert table.columns.column_names == ["id", "when", "score"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "a.csv: empty_file"),
        ("a.csv", "id,score\n", "a.csv: header_only"),
        ("a.csv", "id,id\n1,2\n2,3\n", "a.csv: duplicate_header: .*rename one"),
        ("a.xlsx", "no", "a.xlsx: unreadable_workbook"),
    ],
)
def test_a_file_that_is_no_table_gets_a_line(name, content, message, tmp_path):
    with pytest.raises(UserError, match=message):
        read_table(written(tmp_path, name, content))


# --- what is proposed ---------------------------------------------------------------------------


def test_a_form_without_an_id(tmp_path):
    """The address and the time together are the answer; the question's text names the score."""
    root = tmp_path / "ws"
    entries, left, _ = made(root, [written(tmp_path, "Form Responses 1.csv", FORMS)])
    (entry,) = entries.values()
    assert left == []
    assert entry["columns"] == {
        "response_id": ["Email Address", "Timestamp"],
        "score": "How likely are you to recommend us?",
        "submitted_at": "Timestamp",
        "email": "Email Address",
        "comment": "What could be better?",
    }
    assert entry["constants"] == {"metric": "nps", "survey_type": "relational", "scale": "0-10"}
    assert entry["timestamps"] == {"submitted_at": "%Y/%m/%d %I:%M:%S %p %z"}
    assert (root / "landing" / entry["name"] / "Form Responses 1.csv").exists()
    assert load_workspace(root).sources[0].name == entry["name"]


def test_the_score_is_asked_where_several_may_be_it(tmp_path):
    person = Person("nine", "1")
    entries, left, _ = made(tmp_path / "ws", [written(tmp_path, "q.csv", QUALTRICS)], person)
    (entry,) = entries.values()
    assert (entry["columns"]["score"], left) == ("Q7", [])
    assert "2  Q3: How was the delivery?; 2 answers, values 2 to 4" in person.heard
    assert (
        "1  Q7: How likely is it that you tell a friend?; 2 answers, values 6 to 9" in person.heard
    )
    assert "'nine' is none of them" in person.heard
    assert "Finished" not in person.heard
    assert entry["columns"]["response_id"] == "ResponseId"
    assert entry["columns"]["submitted_at"] == "RecordedDate"
    load_workspace(tmp_path / "ws")


def test_what_nobody_answers_is_one_line_to_uncomment(tmp_path):
    root = tmp_path / "ws"
    _, left, _ = made(root, [written(tmp_path, "q.csv", QUALTRICS)])
    (line,) = left
    assert "which question is the score" in line
    with pytest.raises(UserError, match="required column 'score' is missing"):
        load_workspace(root)
    text = (root / "workspace.yml").read_text("utf-8")
    (root / "workspace.yml").write_text(text.replace("# score: Q7", "score: Q7"), "utf-8")
    assert load_workspace(root).sources[0].columns["score"] == ("Q7",)


def test_dates_that_can_be_read_in_two_ways_are_asked(tmp_path):
    path, person = written(tmp_path, "a.csv", AMBIGUOUS), Person("2")
    entries, _, _ = made(tmp_path / "ws", [path], person)
    assert "03/04/2026 is 3 April 2026" in person.heard
    assert "03/04/2026 is 4 March 2026" in person.heard
    assert entries["a", "survey_responses"]["timestamps"] == {"submitted_at": "%m/%d/%Y"}
    assert entries["a", "survey_responses"]["columns"]["customer_id"] == "client_id"
    open_entries, left, _ = made(tmp_path / "open", [path])
    assert "timestamps" not in open_entries["a", "survey_responses"]
    assert len(left) == 1
    lines = (tmp_path / "open/workspace.yml").read_text("utf-8").splitlines()
    assert '    # timestamps: {submitted_at: "%d/%m/%Y"}  # 03/04/2026 is 3 April 2026' in lines


def test_one_date_after_the_12th_decides_all(tmp_path):
    path = written(tmp_path, "a.csv", AMBIGUOUS + "4;c;13/05/2026;8\n")
    entries, left, _ = made(tmp_path / "ws", [path])
    assert entries["a", "survey_responses"]["timestamps"] == {"submitted_at": "%d/%m/%Y"}
    assert left == []


def test_a_scale_that_values_leave_open_is_asked(tmp_path):
    path = written(tmp_path, "a.csv", "id,at,satisfaction\n1,2026-01-05,5\n2,2026-01-06,3\n")
    person = Person("1", "1")
    entries, _, content = made(tmp_path / "ws", [path], person)
    constants = entries["a", "survey_responses"]["constants"]
    assert constants == {"metric": "csat", "survey_type": "relational", "scale": "1-5"}
    assert content["headline"] == {"metric": "csat", "survey_type": "relational"}
    load_workspace(tmp_path / "ws")


def test_several_questions_in_one_row(tmp_path):
    path = written(
        tmp_path, "a.csv", "id,at,nps_score,csat_score\n1,2026-01-05,9,4\n2,2026-01-06,3,5\n"
    )
    entries, _, _ = made(tmp_path / "ws", [path])
    assert entries["a", "survey_responses"]["answers"] == [
        {"score": "nps_score", "metric": "nps", "scale": "0-10"},
        {"score": "csat_score", "metric": "csat", "scale": "1-5"},
    ]
    load_workspace(tmp_path / "ws")


def test_answers_customers_and_orders_belong_together(tmp_path):
    crm = written(
        tmp_path, "crm.csv", "customer_id,email,plan,signup_date,cancelled_at\n"
        + "".join(f"{n},c{n}@mail.example,{p},2025-01-0{n},\n" for n, p in enumerate("ABABAB", 1)),
    )  # fmt: skip
    orders = written(
        tmp_path, "orders.csv", "order_id,email,ordered,total\n"
        + "".join(f"{n},c{n}@mail.example,2025-02-0{n},{n}.50\n" for n in range(1, 5)),
    )  # fmt: skip
    answers = written(
        tmp_path, "nps_2026-01.csv", "response_id,customer_id,date,nps\n"
        + "".join(f"r{n},{n},2026-01-0{n},{n}\n" for n in range(1, 7)),
    )  # fmt: skip
    more = written(tmp_path, "nps_2026-02.csv", answers.read_text().replace("2026-01", "2026-02"))
    person = Person()
    entries, left, content = made(tmp_path / "ws", [crm, orders, answers, more], person)
    assert entries["crm", "customers"]["columns"]["signed_up_at"] == "signup_date"
    assert entries["crm", "customers"]["attributes"] == {"plan": "plan"}
    assert content["segments"][0] == "plan"
    asked = entries["nps", "survey_responses"]
    assert (asked["customer_source"], asked["files"]) == ("crm", "nps*.csv")
    assert len(list((tmp_path / "ws/landing/nps").iterdir())) == 2
    assert left == []
    assert set(entries) == {("crm", "customers"), ("nps", "survey_responses")}
    assert "! orders.csv: no column holds the customer's id" in person.heard
    load_workspace(tmp_path / "ws")


def test_full_exports_with_a_date_in_their_name(tmp_path):
    """The second one has the first one's answers again: its date is their version."""
    text = "id,user_id,at,nps\n1,a,03/04/2026,9\n2,b,04/04/2026,3\n"
    files = [
        written(tmp_path, "export_20260131.csv", text),
        written(
            tmp_path, "export_20260228.csv", text.replace(",3\n", ",4\n") + "3,c,13/04/2026,9\n"
        ),
    ]
    entries, left, _ = made(tmp_path / "ws", files)
    (entry,) = entries.values()
    assert (entry["files"], entry["snapshot_at"]) == ("export*.csv", "export_%Y%m%d.csv")
    # no day of the first one is after the 12th, but one of the second
    assert (entry["timestamps"], left) == ({"submitted_at": "%d/%m/%Y"}, [])
    load_workspace(tmp_path / "ws")


def test_orders_that_name_the_customer(tmp_path):
    crm = written(tmp_path, "crm.csv", "customer_id,email\n1,a@mail.example\n2,b@mail.example\n")
    orders = written(
        tmp_path, "orders.csv", "order_id,customer_id,order_date,total\n"
        "7,1,2026-01-05,10.50\n8,1,2026-01-06,3\n9,2,2026-01-07,4\n",
    )  # fmt: skip
    answers = written(tmp_path, "a.csv", "id,email,at,nps\n1,a@mail.example,2026-01-05,9\n")
    entries, _, _ = made(tmp_path / "ws", [crm, orders, answers])
    invoices = entries["orders", "invoices"]
    assert invoices["columns"] == {
        "invoice_id": "order_id", "customer_id": "customer_id", "invoiced_at": "order_date",
        "amount": "total",
    }  # fmt: skip
    assert invoices["customer_source"] == "crm"
    assert entries["a", "survey_responses"]["customer_source"] == "crm"
    load_workspace(tmp_path / "ws")


def test_channels_in_names_of_files(tmp_path):
    text = "user_id,answered,rating_nps\n" + "".join(f"{n},2026-01-0{n},{n}\n" for n in range(1, 9))
    files = [written(tmp_path, f"pulse_{name}.csv", text) for name in ("email", "web")]
    entries, _, _ = made(tmp_path / "ws", files)
    kinds = {entry["constants"]["channel"] for entry in entries.values()}
    assert kinds == {"email", "web"}
    assert {entry["customer_source"] for entry in entries.values()} == {"pulse"}


def test_words_for_empty_cells_are_no_mistakes(tmp_path):
    path = written(
        tmp_path, "a.csv", "id,at,nps\n1,2026-01-05,9\n2,2026-01-06,N/A\n3,2026-01-07,-\n"
    )
    entries, _, _ = made(tmp_path / "ws", [path])
    assert entries["a", "survey_responses"]["null_values"] == ["-", "N/A"]


def test_old_answers_are_seen_as_of_their_last_day(tmp_path):
    path = written(tmp_path, "a.csv", "id,at,nps\n1,2019-01-05,9\n2,2019-03-06,7\n")
    _, _, content = made(tmp_path / "ws", [path])
    assert str(content["as_of"]) == "2019-03-06"


def test_a_few_values_that_do_not_fit_are_no_hindrance(tmp_path):
    """Of ten scores one is no whole number and one beyond the scale; of ten dates one is none."""
    rows = [f"{n},1{n}/01/2026,{n}" for n in range(8)]
    rows += ["8,soon,9.5", "9,28/01/2026,11"]
    path = written(tmp_path, "a.csv", "id,when,rating\n" + "\n".join(rows) + "\n")
    entries, left, _ = made(tmp_path / "ws", [path])
    assert entries["a", "survey_responses"]["columns"]["score"] == "rating"
    assert entries["a", "survey_responses"]["timestamps"] == {"submitted_at": "%d/%m/%Y"}
    assert left == []
    text = (tmp_path / "ws/workspace.yml").read_text("utf-8")
    assert "# 2 of 10 values of 'rating' are no whole numbers from 0 to 10" in text
    assert "# 1 of the 10 different texts of 'when' are dates of another format, or none" in text


def test_the_status_of_an_answer(tmp_path):
    path = written(
        tmp_path, "a.csv", "id,at,nps,Status\n1,2026-01-05,9,Complete\n2,2026-01-06,3,Partial\n"
    )
    entries, _, _ = made(tmp_path / "ws", [path])
    assert entries["a", "survey_responses"]["columns"]["is_test"] == "Status"


def test_ids_that_are_written_in_two_ways_are_joined_all_the_same(tmp_path):
    """As floats and as integers; where that does not help, the check shows how both look."""
    crm = written(tmp_path, "crm.csv", "customer_id,email\n1,a@mail.example\n2,b@mail.example\n")
    asked = written(tmp_path, "a.csv", "id,customer_id,at,nps\n7,1.0,2026-01-05,9\n")
    entries, _, _ = made(tmp_path / "ws", [crm, asked])
    assert entries["a", "survey_responses"]["customer_source"] == "crm"
    assert entries["a", "survey_responses"]["normalise"] == {"customer_id": "integer"}
    load_workspace(tmp_path / "ws")
    other = written(tmp_path, "b.csv", "id,customer_id,at,nps\n7,K-1,2026-01-05,9\n")
    entries, _, _ = made(tmp_path / "other", [crm, other])
    assert entries["b", "survey_responses"]["customer_source"] == "crm"
    assert "normalise" not in entries["b", "survey_responses"]


# --- what is refused ----------------------------------------------------------------------------


def test_without_a_score_it_says_what_is_missing(tmp_path):
    with pytest.raises(UserError) as raised:
        made(tmp_path / "ws", [written(tmp_path, "s.csv", MONKEY)])
    assert "no column holds whole numbers from 0 to 10" in str(raised.value)
    assert "no column holds dates" in str(raised.value)
    assert not (tmp_path / "ws").exists()


def test_a_file_without_a_score_is_left_out_beside_one_with(tmp_path):
    person = Person()
    files = [written(tmp_path, "s.csv", MONKEY), written(tmp_path, "f.csv", FORMS)]
    entries, _, _ = made(tmp_path / "ws", files, person)
    assert len(entries) == 1
    assert "! s.csv: no column holds" in person.heard


def test_what_exists_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("NPS_WORKSPACE", str(tmp_path))
    (tmp_path / "workspace.yml").write_text("version: 1\n")
    with pytest.raises(UserError, match="exists and is kept"):
        new_root()
    monkeypatch.delenv("NPS_WORKSPACE")
    monkeypatch.chdir(PROJECT_DIR)
    with pytest.raises(UserError, match="cannot be the project's own"):
        new_root()


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"no\.csv: there is no such file"):
        made(tmp_path / "ws", [tmp_path / "no.csv"])


def test_the_current_folder_is_the_workspace_without_the_variable(tmp_path, monkeypatch):
    from orchestration.workspace.current import current_workspace

    monkeypatch.delenv("NPS_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)
    root = new_root()
    made(root, [written(tmp_path, "f.csv", FORMS)])
    assert current_workspace().root == tmp_path


# --- data of others -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["qualtrics", "surveymonkey"])
def test_exports_of_others(name, tmp_path):
    if not DATA.is_dir():
        pytest.skip(f"{DATA} is absent: it belongs beside the repository and holds data of others")
    (path,) = (DATA / name).glob("*.csv")
    if name == "surveymonkey":
        with pytest.raises(UserError, match="no column holds whole numbers from 0 to 10"):
            made(tmp_path / "ws", [path])
        return
    person = Person()
    entries, left, _ = made(tmp_path / "ws", [path], person)
    (entry,) = entries.values()
    assert entry["format"] == {"header_rows": 3, "header": 1}
    assert "which question is the score" in person.heard
    assert "This is a multiple choice question." in person.heard
    assert len(left) == 1


def test_every_combination_of_two_files_gives_a_file_that_loads_or_says_what_to_choose(tmp_path):
    contents = {"f.csv": FORMS, "q.csv": QUALTRICS, "a.csv": AMBIGUOUS}
    files = [written(tmp_path, name, text) for name, text in contents.items()]
    for number, pair in enumerate(itertools.combinations(files, 2)):
        root = tmp_path / f"ws{number}"
        _, left, _ = made(root, pair, Person("1", "1", "1"))
        assert left == []
        assert len(load_workspace(root).sources) == 2
