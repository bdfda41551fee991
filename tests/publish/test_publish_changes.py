"""What a publication keeps, patches and copies of the generation before, and that none can tell."""

from __future__ import annotations

import errno
import os
import random
import shutil
from pathlib import Path

import duckdb
import pytest
from test_publish import BEFORE_PUBLICATION, assert_untouched, kill_at

from orchestration.core.errors import UserError
from orchestration.publish import candidate
from orchestration.publish.ledger import read_ledger
from orchestration.publish.publish import open_published, publish
from tests.publish_support import make_workspace

TOUCHED = {
    "marts.answers": "customer in (select customer from build.intermediate.touched)",
    "restricted.comments": "answer in (select answer from build.intermediate.touched)",
}
CUSTOMERS = 60
SECRET = "said-in-confidence-7f3a9c"


class Shop:
    """Answers by key, and what builds are made of them; the tables are two, and a restricted one."""

    def __init__(self, root: Path, seed: int = 1):
        self.workspace = make_workspace(root)
        self.random = random.Random(seed)
        self.answers = {
            f"a{i:04}": (f"c{i % CUSTOMERS:02}", self.random.randint(0, 10), "north")
            for i in range(6 * CUSTOMERS)
        }
        self.regions = [("north", 1), ("south", 2)]
        self.comments = {"a0001": SECRET, "a0002": "fine"}
        self.comment_on_score = "0 to 10"
        self.touched: set[str] = set()
        self.extra: list[str] = []

    def change(self) -> None:
        """Remove, change and add answers of a few customers."""
        self.touched = {f"c{i:02}" for i in self.random.sample(range(CUSTOMERS), 6)}
        for key, (customer, score, _) in sorted(self.answers.items()):
            if customer in self.touched:
                draw = self.random.random()
                if draw < 0.3:
                    del self.answers[key]
                elif draw < 0.7:
                    region = self.random.choice(["south", None])
                    self.answers[key] = (customer, 10 - score, region)
        for customer in sorted(self.touched):
            if self.random.random() < 0.5:
                key = f"b{self.random.randrange(10**8):08}"
                self.answers[key] = (customer, self.random.randint(0, 10), "west")
        if self.random.random() < 0.5:
            self.regions.append((f"r{len(self.regions)}", len(self.regions)))

    def build(self) -> None:
        """Write the build anew, its rows in any order."""
        path = self.workspace.warehouse_file
        path.unlink(missing_ok=True)
        rows = [(key, *rest) for key, rest in self.answers.items()]
        self.random.shuffle(rows)
        with duckdb.connect(str(path)) as connection:
            connection.execute(
                "create schema marts; create schema restricted; create schema intermediate;"
                "create table intermediate.touched (customer varchar, answer varchar);"
                "create table marts.answers"
                " (answer varchar, customer varchar, score integer, region varchar);"
                "create table marts.regions (region varchar, place integer);"
                "create table restricted.comments (answer varchar, comment varchar);"
                "comment on table marts.answers is 'One row an answer.';"
                "comment on column marts.regions.place is 'From 1.';"
                f"comment on column marts.answers.score is '{self.comment_on_score}'"
            )
            for table, values in (
                ("intermediate.touched", [(customer, None) for customer in self.touched]),
                ("marts.answers", rows),
                ("marts.regions", self.regions),
                ("restricted.comments", list(self.comments.items())),
            ):
                for row in values:
                    text = ", ".join(
                        "null" if v is None else str(v) if isinstance(v, int) else f"'{v}'"
                        for v in row
                    )
                    connection.execute(f"insert into {table} values ({text})")
            for statement in self.extra:
                connection.execute(statement)

    def publish(self, inputs: str, built_from: str | None = None, **options):
        """Build and publish."""
        self.build()
        return publish(
            self.workspace,
            inputs_hash=inputs,
            versions={},
            built_from=built_from,
            **({"touched": TOUCHED} | options),
        )

    def published(self, table: str, schema: str = "marts") -> list[tuple]:
        """Rows of a published table, sorted."""
        name = "nps.duckdb" if schema == "marts" else "restricted.duckdb"
        with open_published(self.workspace.published / name) as connection:
            return sorted(connection.execute(f"from {schema}.{table}").fetchall(), key=repr)

    def rows(self) -> list[tuple]:
        """What marts.answers has to hold."""
        return sorted(((key, *rest) for key, rest in self.answers.items()), key=repr)

    def parquet(self, table: str) -> Path:
        """The Parquet file of a table."""
        return self.workspace.published / "parquet" / table / f"{table}.parquet"


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path / "ws")


@pytest.fixture
def made(monkeypatch):
    """How the tables of the last publication were made, by name."""
    found: dict[str, str] = {}
    real = candidate.write_candidate

    def note(connection, part, path, planned, stamp):
        for name, plan in planned.plans.items():
            found[name] = plan.how if planned.base else "anew"
        real(connection, part, path, planned, stamp)

    monkeypatch.setattr(candidate, "write_candidate", note)
    return found


def descriptions(shop: Shop) -> list[tuple]:
    with open_published(shop.workspace.published / "nps.duckdb") as connection:
        return connection.execute(
            "select table_name, null, comment from duckdb_tables() where comment is not null "
            "and table_name <> '_generation' union all "
            "select table_name, column_name, comment from duckdb_columns() "
            "where comment is not null and table_name <> '_generation' order by all"
        ).fetchall()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_patched_on_patched_nobody_can_tell_it_from_a_copy(tmp_path, made, seed):
    shop = Shop(tmp_path / "ws", seed)
    shop.publish("0")
    for step in range(1, 5):
        shop.change()
        patched = shop.publish(str(step), built_from=str(step - 1))
        assert made["answers"] == "patch"
        assert shop.published("answers") == shop.rows()
        assert shop.published("regions") == sorted(shop.regions)
        assert sorted(duckdb.sql(f"from '{shop.parquet('answers')}'").fetchall(), key=repr) == (
            shop.rows()
        )
        assert sorted(duckdb.sql(f"from '{shop.parquet('regions')}'").fetchall()) == (
            sorted(shop.regions)
        )
        assert descriptions(shop) == [
            ("answers", "score", "0 to 10"),
            ("answers", None, "One row an answer."),
            ("regions", "place", "From 1."),
        ]
        whole = Shop(tmp_path / f"whole{step}", seed)
        shutil.copy2(shop.workspace.warehouse_file, whole.workspace.warehouse_file)
        copied = publish(whole.workspace, inputs_hash="whole", versions={})
        assert made["answers"] == "anew"
        assert patched.content_hash == copied.content_hash
        assert patched.restricted_content_hash == copied.restricted_content_hash
        assert patched.rows == copied.rows
    with open_published(shop.workspace.published / "nps.duckdb") as connection:
        (tags,) = connection.execute(
            "select tags from duckdb_databases() where database_name = 'published'"
        ).fetchone()
    assert tags["storage_version"].startswith("v1.4")


def test_the_same_build_again_is_a_generation_of_its_own_that_copies_nothing(shop, made):
    first = shop.publish("0")
    second = publish(shop.workspace, inputs_hash="0", versions={})
    assert made == {"answers": "keep", "regions": "keep", "comments": "keep"}
    assert second.generation_id > first.generation_id
    assert second.content_hash == first.content_hash
    assert second.restricted_content_hash == first.restricted_content_hash
    assert second.rows == first.rows
    assert [line["generation_id"] for line in read_ledger(shop.workspace)] == [
        first.generation_id, second.generation_id,
    ]  # fmt: skip
    assert shop.published("answers") == shop.rows()
    old = shop.workspace.published / f".parquet-{first.generation_id}/answers/answers.parquet"
    assert shop.parquet("answers").samefile(old)
    ids = duckdb.sql(
        "select decode(value) from parquet_kv_metadata"
        f"('{shop.workspace.published}/parquet/*/*.parquet') where decode(key) = 'generation_id'"
    ).fetchall()
    assert sorted(ids) == [(first.generation_id,)] * 2 + [(second.generation_id,)]


def test_an_equal_table_of_another_build_is_kept_and_read_again(shop, made):
    shop.publish("0")
    shop.publish("1")
    assert made == {"answers": "keep", "regions": "keep", "comments": "keep"}
    shop.regions.append(("west", 3))
    shop.publish("2")
    assert made == {"answers": "keep", "regions": "copy", "comments": "keep"}
    assert shop.published("regions") == sorted(shop.regions)


@pytest.mark.parametrize("built_from", [None, "another build"])
def test_of_a_build_made_from_another_one_nothing_is_patched(shop, made, built_from):
    shop.publish("0")
    shop.change()
    shop.publish("1", built_from=built_from)
    assert made["answers"] == "anew"
    assert shop.published("answers") == shop.rows()


@pytest.mark.parametrize(
    "condition, told",
    [
        ("customer = 'c01'", "more changed than its condition says"),  # a row changed elsewhere
        ("region = 'west'", "more changed than its condition says"),  # what is removed is missed
        ("no_such_column = 1", "its condition can't be read"),
        ("customer in (select customer from build.intermediate.missing)", "can't be read"),
    ],
)
def test_a_condition_that_misses_rows_is_told_and_costs_a_copy(shop, made, condition, told):
    shop.publish("0")
    shop.answers["a0003"] = (*shop.answers["a0003"][:2], "east")
    del shop.answers["a0005"]
    steps: list[str] = []
    shop.publish("1", built_from="0", touched={"marts.answers": condition}, progress=steps.append)
    assert made["answers"] == "anew"
    assert shop.published("answers") == shop.rows()
    assert len([step for step in steps if "marts.answers" in step and told in step]) == 1


def test_a_change_of_equal_count_that_the_condition_misses_is_seen(shop, made):
    shop.publish("0")
    customer, score, region = shop.answers["a0003"]
    shop.answers["a0003"] = (customer, (score + 1) % 11, region)
    shop.publish("1", built_from="0", touched={"marts.answers": "customer = 'c07'"})
    assert made["answers"] == "anew"
    assert shop.published("answers") == shop.rows()


def test_most_rows_touched_are_copied_rather_than_patched(shop, made):
    shop.publish("0")
    for key, (customer, score, _) in shop.answers.items():
        shop.answers[key] = (customer, score, "east")
    shop.publish("1", built_from="0", touched={"marts.answers": "true"})
    assert made["answers"] == "anew"
    assert shop.published("answers") == shop.rows()


def test_an_email_in_a_patched_row_is_refused(shop, made):
    old = shop.publish("0")
    shop.answers["a0003"] = ("c03", 4, "ask jane@example.org")
    shop.touched = {"c03"}
    with pytest.raises(UserError, match=r"marts\.answers\.region: 1 rows hold .*not published"):
        shop.publish("1", built_from="0")
    assert made["answers"] == "patch"
    assert_untouched(shop.workspace, old)


def test_a_deleted_comment_leaves_no_byte_in_the_restricted_file(shop, made):
    shop.publish("0")
    path = shop.workspace.published / "restricted.duckdb"
    assert SECRET.encode() in path.read_bytes()
    del shop.comments["a0001"]
    shop.publish("1", built_from="0", touched={"restricted.comments": "answer = 'a0001'"})
    assert made == {"answers": "keep", "regions": "keep", "comments": "anew"}
    assert shop.published("comments", "restricted") == [("a0002", "fine")]
    assert SECRET.encode() not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "extra, tables",
    [
        ([f"create table marts.told as select '{SECRET}' as text"], ["marts.answers"]),
        ([f"alter table marts.regions add column told varchar default '{SECRET}'"], None),
    ],
)
def test_what_is_no_longer_published_leaves_no_byte(shop, made, extra, tables):
    shop.extra = extra
    shop.publish("0")
    path = shop.workspace.published / "nps.duckdb"
    assert SECRET.encode() in path.read_bytes()
    if tables is None:
        shop.extra = []
    shop.publish("1", built_from="0", tables=tables)
    assert made["answers"] == "anew"
    assert SECRET.encode() not in path.read_bytes()


def test_a_published_file_that_somebody_wrote_to_is_not_built_upon(shop, made):
    shop.publish("0")
    path = shop.workspace.published / "nps.duckdb"
    path.chmod(0o644)
    with duckdb.connect() as connection:
        connection.execute(f"attach '{path}' as written")
        connection.execute("update written.marts.answers set score = 0; detach written")
    publish(shop.workspace, inputs_hash="0", versions={})
    assert made["answers"] == "anew"
    assert shop.published("answers") == shop.rows()


def test_a_published_file_that_went_bad_is_mended_by_a_full_build(shop, made, monkeypatch):
    """Bytes changed under the file system: its time is as it was."""
    shop.publish("0")
    path = shop.workspace.published / "nps.duckdb"
    before = path.stat()
    data = bytearray(path.read_bytes())
    start = data.index(b"a0007")  # in the block of the answers' keys
    data[start] ^= 0xFF
    path.chmod(0o644)
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(duckdb.Error):
        shop.published("answers")
    steps: list[str] = []
    shop.publish("1", progress=steps.append)
    assert "nps.duckdb: can't be made from the one before; copied anew" in steps
    assert shop.published("answers") == shop.rows()


def test_a_parquet_file_that_is_gone_or_bad_is_written_again(shop):
    shop.publish("0")
    shop.parquet("answers").unlink()
    with duckdb.connect() as connection:
        regions = shop.parquet("regions")
        regions.unlink()
        connection.execute(f"copy (select 1 as other) to '{regions}' (format parquet)")
    publish(shop.workspace, inputs_hash="0", versions={})
    assert sorted(duckdb.sql(f"from '{shop.parquet('answers')}'").fetchall()) == shop.rows()
    assert sorted(duckdb.sql(f"from '{shop.parquet('regions')}'").fetchall()) == shop.regions


def test_a_file_of_holes_is_written_anew(shop, made, monkeypatch):
    monkeypatch.setattr(candidate, "SMALL_FILE", 0)
    monkeypatch.setattr(candidate, "MOST_GROWTH", 0.5)
    shop.publish("0")
    shop.change()
    steps: list[str] = []
    shop.publish("1", built_from="0", progress=steps.append)
    assert made["answers"] == "anew"
    assert "nps.duckdb: can't be made from the one before; copied anew" in steps
    assert shop.published("answers") == shop.rows()


def test_new_words_and_columns_in_another_order_are_taken_over(shop, made):
    shop.publish("0")
    shop.comment_on_score = "None to ten"
    shop.extra = ["comment on column marts.regions.place is null"]
    shop.publish("1")
    assert made["answers"] == "keep"
    assert descriptions(shop) == [
        ("answers", "score", "None to ten"), ("answers", None, "One row an answer."),
    ]  # fmt: skip
    shop.extra = [
        "create or replace table marts.regions as select place, region from marts.regions"
    ]
    shop.publish("2", built_from="1")
    assert shop.published("regions") == [(1, "north"), (2, "south")]


@pytest.mark.parametrize("name, nth, when", BEFORE_PUBLICATION)
def test_killed_while_patching_leaves_the_old_generation(shop, name, nth, when):
    old = shop.publish("0")
    rows = shop.rows()
    shop.change()
    shop.build()
    kill_at(shop.workspace, name, nth, when, touched=TOUCHED, built_from="0")
    assert shop.published("answers") == rows

    hidden = shop.workspace.warehouse_file.rename(shop.workspace.root / "hidden")
    with pytest.raises(UserError, match="there is no build"):
        publish(shop.workspace, inputs_hash="1", versions={})
    assert_untouched(shop.workspace, old)
    hidden.rename(shop.workspace.warehouse_file)
    new = publish(shop.workspace, inputs_hash="1", versions={}, touched=TOUCHED, built_from="0")
    assert shop.published("answers") == shop.rows()
    assert [x["generation_id"] for x in read_ledger(shop.workspace)] == [
        old.generation_id, new.generation_id,
    ]  # fmt: skip


def test_without_hard_links_and_copies_in_the_kernel_all_is_the_same(shop, monkeypatch):
    first = shop.publish("0")
    link = os.link

    def refuse(source, target):
        if Path(target).suffix == ".parquet":
            raise OSError(errno.EPERM, "Operation not permitted")
        link(source, target)

    def unsupported(*_):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(os, "copy_file_range", unsupported, raising=False)
    second = publish(shop.workspace, inputs_hash="0", versions={})
    assert second.content_hash == first.content_hash
    assert shop.published("answers") == shop.rows()
    assert shop.parquet("answers").stat().st_nlink == 1
    assert sorted(duckdb.sql(f"from '{shop.parquet('answers')}'").fetchall()) == shop.rows()


def test_an_email_in_what_the_caller_says_of_the_generation_is_refused(shop):
    with pytest.raises(UserError, match=r"marts\._generation\.inputs_hash: 1 rows hold"):
        shop.publish("built by jane@example.org")
