"""Churn ages the files and leaves the rows; descriptions measure both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

import pytest
from click.testing import CliRunner

from inboxbench.cli import application
from inboxbench.cli.seed.command import benchmark_text
from inboxbench.database import Connection, connect, scratch_database
from inboxbench.errors import UsageError
from inboxbench.messenger.data import ROW_SOURCE
from inboxbench.messenger.data.profile import Profile
from inboxbench.project import Project
from inboxbench.seed import Dataset, load_dataset, seed_into
from inboxbench.seed.datasets.benchmark import benchmark
from inboxbench.seed.datasets.describe import Description, describe
from inboxbench.server import Server


class Loaded(Protocol):
    dataset: Dataset
    profile: Profile
    connection: Connection


@pytest.fixture(scope="module")
def fresh(server: Server, project: Project) -> Iterator[Connection]:
    """The same rows as `tiny`, as loaded."""
    with scratch_database(server, "fresh") as name:
        seed_into(server, name, "tiny", 1, fresh=True, project=project)
        with connect(server.conninfo(name)) as connection:
            yield connection


@pytest.fixture(scope="module")
def described(server: Server, tiny: Loaded) -> Description:
    return describe(server.conninfo(tiny.dataset.name), ROW_SOURCE)


def one(connection: Connection, query: Any) -> Any:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("table", ["messages", "conversations", "contacts"])
def test_churn_leaves_the_rows_as_they_were(tiny: Loaded, fresh: Connection, table: str) -> None:
    digest = f"SELECT md5(string_agg(md5(t::text), '' ORDER BY id)) FROM {table} t"
    assert one(tiny.connection, digest) == one(fresh, digest)


def test_churn_moves_rows_and_grows_files(tiny: Loaded, fresh: Connection) -> None:
    size = "SELECT pg_table_size('conversations') + pg_indexes_size('conversations')"
    assert one(tiny.connection, size) > 1.3 * one(fresh, size)
    order = """
        SELECT count(*) FROM (SELECT ctid < lag(ctid) OVER (ORDER BY id) AS back FROM conversations) x WHERE back"""
    assert one(fresh, order) < 20  # COPY fills pages that it added several at once
    assert one(tiny.connection, order) > 100


def test_churn_leaves_a_patchy_visibility_map(tiny: Loaded, fresh: Connection) -> None:
    pages = "SELECT relallvisible::float / relpages FROM pg_class WHERE relname = 'messages'"
    tiny.connection.execute("ANALYZE messages")
    assert 0.5 < one(tiny.connection, pages) < 0.99
    assert one(fresh, pages) > one(tiny.connection, pages)


def test_churn_leaves_gaps_in_the_sequence(tiny: Loaded, fresh: Connection) -> None:
    gap = "SELECT last_value - (SELECT max(id) FROM messages) FROM messages_id_seq"
    assert one(fresh, gap) == 0
    expected = tiny.profile.churn.messages_deleted * tiny.dataset.rows["messages"]
    assert one(tiny.connection, gap) == pytest.approx(expected, rel=0.2)


def test_dead_rows_are_described(described: Description) -> None:
    dead = {file.table: file.dead_share for file in described.files}
    assert 0.05 < dead["conversations"] < 0.6
    assert dead["contacts"] == 0


def test_fitted_exponent_is_the_profiles(described: Description, tiny: Loaded) -> None:
    skew = described.skew["conversations of accounts"]
    assert skew.owners == tiny.profile.accounts.count
    assert skew.exponent == pytest.approx(tiny.profile.accounts.exponent, abs=0.1)
    assert skew.largest_share == pytest.approx(tiny.profile.accounts.largest_share, abs=0.01)


def test_hot_inboxes_are_hotter_than_even(described: Description) -> None:
    inboxes = described.skew["conversations of inboxes"]
    assert inboxes.largest_share > 3 / inboxes.owners


def test_lengths_are_the_profiles(described: Description, tiny: Loaded) -> None:
    messages = described.lengths["messages_per_conversation"][1]
    characters = described.lengths["body_length"][1]
    assert messages[2] == pytest.approx(tiny.profile.messages.median, abs=1)
    assert messages[-1] <= tiny.profile.messages.largest
    assert tiny.profile.text.long_smallest < characters[-1] <= tiny.profile.text.long_largest


def test_words_follow_a_zipf_with_a_rare_end(described: Description) -> None:
    words = described.words
    assert words is not None
    assert words.exponent == pytest.approx(1.0, abs=0.3)
    assert words.once > 0.1 * words.distinct
    selectivities = [one_class.selectivity for one_class in words.classes]
    assert selectivities == sorted(selectivities, reverse=True)
    assert selectivities[0] > 0.1
    assert selectivities[-1] < 0.001


def test_shares_add_up(described: Description) -> None:
    assert sum(described.shares[name] for name in ("open", "pending", "resolved")) == pytest.approx(1, abs=1e-4)
    assert 0 < described.shares["unread"] < 0.1


def test_correlation_is_of_arrival(described: Description) -> None:
    columns = {(column.table, column.name): column for column in described.columns}
    created = columns["messages", "created_at"].correlation
    account = columns["messages", "account_id"].correlation
    assert created is not None
    assert account is not None
    assert created > 0.8 > account


def test_describing_something_else_is_refused(server: Server) -> None:
    with scratch_database(server, "empty") as name, pytest.raises(UsageError, match="has no table 'accounts'"):
        describe(server.conninfo(name), ROW_SOURCE)


def test_benchmark_measures_both_rates_and_cleans_up(server: Server, project: Project) -> None:
    """Figures are asserted to be there and to belong together, never to be fast."""
    measured = benchmark(server, "tiny", 1, project=project)
    assert measured.raw_rows_per_s > 0
    assert measured.ratio == pytest.approx(measured.seeded_rows_per_s / measured.raw_rows_per_s, abs=0.01)
    assert set(measured.stages_s) == {"outline", "rows", "keys"}
    assert measured.client_cpu_us_per_row > 0
    for share in (measured.idle_share, measured.others_share, measured.steal_share):
        assert 0 <= share <= 1
    assert measured.to_json()["meaningful"] is measured.meaningful
    assert ("The machine is too busy" in benchmark_text(measured)) is not measured.meaningful
    busy = replace(measured, others_share=0.5)
    assert not busy.meaningful
    assert "others used 50% of its processors" in benchmark_text(busy)
    with connect(server.conninfo()) as connection:
        left = one(connection, "SELECT count(*) FROM pg_database WHERE datname LIKE 'inboxbench_benchmark%'")
        files = one(connection, "SELECT count(*) FROM pg_ls_dir('.') f WHERE f LIKE 'inboxbench%'")
    assert (left, files) == (0, 0)


def run(server: Server, *words: str) -> str:
    result = CliRunner().invoke(
        application, [*words, "--server", server.url("postgres")], catch_exceptions=False, standalone_mode=False
    )
    return result.stdout


def test_command_prints_json(server: Server, tiny: Loaded) -> None:
    found = json.loads(run(server, "seed", "tiny", "--format", "json"))
    assert found["checksums"] == tiny.dataset.checksums
    assert found["reused"] is True
    assert found["rows"]["messages"] == 20_000


def test_command_describes(server: Server, tiny: Loaded) -> None:
    text = run(server, "seed", "tiny", "--describe")
    assert "Zipf exponent" in text
    assert "conversations of accounts" in text
    found = json.loads(run(server, "seed", "tiny", "--describe", "--database", tiny.dataset.name, "--format", "json"))
    assert found["skew"]["messages of accounts"]["owners"] == 12


def test_command_lists_datasets(server: Server, tiny: Loaded) -> None:
    assert tiny.dataset.checksums["messages"] in run(server, "dataset", "list", "--format", "json")
    assert "20,000" in run(server, "dataset", "list")


def test_command_clones_and_removes(server: Server, project: Project) -> None:
    """A copy has the dataset's files; a name that is none is refused."""
    kept = load_dataset(server, "tiny", 77, size=3_000, project=project).name
    assert "s a GB" in run(server, "dataset", "clone", kept, "inboxbench_cloned")
    listed = json.loads(run(server, "dataset", "list", "--format", "json"))
    assert ("inboxbench_cloned", kept) in [(one["name"], one["template"]) for one in listed]
    pages = "SELECT md5(string_agg(ctid::text || id, ',' ORDER BY ctid)) FROM conversations"
    digests = set()
    for name in (kept, "inboxbench_cloned"):
        with connect(server.conninfo(name)) as connection:
            digests.add(one(connection, pages))
    assert len(digests) == 1
    run(server, "dataset", "rm", "inboxbench_cloned", kept)
    assert "inboxbench_cloned" not in run(server, "dataset", "list")
    with pytest.raises(UsageError, match="unknown dataset"):
        run(server, "dataset", "clone", "inboxbench_cloned")


def test_churn_ages_files_the_same_way_each_time(server: Server, tiny: Loaded, project: Project) -> None:
    """Both tables age side by side; their pages come out alike, dead rows included."""
    pages = """
        SELECT (SELECT md5(string_agg(ctid::text || id, ',' ORDER BY ctid)) FROM conversations),
               (SELECT md5(string_agg(ctid::text || id, ',' ORDER BY ctid)) FROM messages),
               pg_indexes_size('messages'), pg_indexes_size('conversations')"""
    with scratch_database(server, "again") as name:
        seed_into(server, name, "tiny", 1, project=project)
        with connect(server.conninfo(name)) as connection:
            again = connection.execute(pages).fetchone()
    with connect(server.conninfo(tiny.dataset.name)) as connection:
        assert connection.execute(pages).fetchone() == again


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("tiny", "--scale", "0"), "--scale 0 is no size"),
        (("tiny", "--allow-foreign"), "--allow-foreign says something about --database"),
        (("tiny", "--scale", "2", "--messages", "9"), "--scale and --messages both set the size"),
        (("tny",), "unknown profile 'tny'; did you mean 'tiny'?"),
        (("tiny", "--benchmark", "--fresh"), "--benchmark loads into a database of its own"),
    ],
)
def test_command_refuses(server: Server, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        run(server, "seed", *words)
    assert message in str(caught.value)
