"""Indexes of partitioned tables: those of the partitions together are the index of the parent, for all that is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from inboxbench.bench import Ablation, Matrix, run_ablation, run_matrix
from inboxbench.bench.sets.builder import SetBuilder
from inboxbench.bench.sets.catalogue import read_catalogue
from inboxbench.bench.sets.indexset import live_set
from inboxbench.bench.sets.template import prepared_template
from inboxbench.database import connect, first_row, scratch_database
from inboxbench.project import Loose
from inboxbench.server import Server

# Days by number, one of them in parts of its own.
TABLES = """
    CREATE SCHEMA app;
    CREATE TABLE app.events (id int NOT NULL, day int NOT NULL, tenant int NOT NULL, PRIMARY KEY (id, day))
    PARTITION BY RANGE (day);
    DO $$BEGIN FOR d IN 0..23 LOOP
        EXECUTE format('CREATE TABLE app.events_d%s PARTITION OF app.events FOR VALUES FROM (%s) TO (%s)', d, d, d + 1);
    END LOOP; END$$;
    CREATE TABLE app.events_rest PARTITION OF app.events DEFAULT PARTITION BY HASH (id);
    CREATE TABLE app.events_rest_a PARTITION OF app.events_rest FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE app.events_rest_b PARTITION OF app.events_rest FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    INSERT INTO app.events SELECT g, g % 26, (g / 26) % 40 FROM generate_series(1, 104000) g;
    CREATE INDEX events_tenant ON app.events (tenant);
    CREATE INDEX events_idle ON app.events (day, id DESC);
"""
CATALOGUE = """
[index.wide]
definition = "app.events (tenant, day, id)"
[index.of_one]
definition = "app.events_d3 (tenant)"
[index.needs_day]
definition = "app.events (id)"
unique = true
[set.wide]
indexes = ["wide", "of_one", "needs_day"]
"""


@pytest.fixture(scope="module")
def source(server: Server) -> Iterator[str]:
    with scratch_database(server, "partitions") as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute(TABLES.encode())
        yield name


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Loose:
    folder: Path = tmp_path_factory.mktemp("partitions")
    (folder / "tenant.sql").write_text(
        "-- params: tenant int = 7\nSELECT count(*) FROM app.events WHERE tenant = :tenant", encoding="utf-8"
    )
    (folder / "sets.toml").write_text(CATALOGUE, encoding="utf-8")
    return Loose(folder, folder / "sets.toml")


@pytest.fixture(scope="module")
def matrix(server: Server, source: str, questions: Loose) -> Matrix:
    sets = read_catalogue(questions.indexes).choose()
    return run_matrix(server, source, questions, sets=sets, rounds=1, as_is=True, lenient=True)


def test_the_size_is_that_of_all_partitions_and_the_parents_index_is_valid(
    server: Server, source: str, questions: Loose
) -> None:
    chosen = read_catalogue(questions.indexes).sets["wide"]
    with (
        prepared_template(server, source, as_is=True) as template,
        SetBuilder(server, template, [chosen]) as builder,
        builder.built(chosen, lambda _name: None) as (name, built),
        connect(server.conninfo(name)) as connection,
    ):
        size = "SELECT sum(pg_relation_size(indexrelid)) FROM pg_stat_user_indexes WHERE indexrelname ~ 'tenant_day_id'"
        assert built.indexes[0].bytes == first_row(connection, size)[0] > 26 * 16_384
        assert len(built.indexes[0].parts) == 27
        valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'app.wide'::regclass"
        assert first_row(connection, valid) == (True,)
        (rows,) = first_row(connection, "SELECT reltuples FROM pg_class WHERE oid = 'app.events'::regclass")
        assert rows == 104_000


def test_a_plan_of_many_partitions_is_a_line_that_can_be_read(matrix: Matrix) -> None:
    plan = matrix.cell("tenant", "given", "wide").plan
    assert plan is not None
    assert plan.rows == 1
    assert "× Index Only Scan events_" in plan.line
    assert len(plan.line) < 200
    assert len(plan.indexes) == 26


def test_what_the_partition_key_forbids_leaves_the_rest_of_the_set(matrix: Matrix) -> None:
    (result,) = matrix.sets
    assert [built.index.name for built in result.built] == ["wide", "of_one"]
    assert "UNIQUE constraint on table" in matrix.refused[0]
    assert 'lacks column "day"' in matrix.refused[0]


@pytest.fixture(scope="module")
def ablation(server: Server, source: str, questions: Loose) -> Ablation:
    with connect(server.conninfo(source)) as connection:
        current = live_set(connection, "current", "as it is")
    return run_ablation(server, source, questions, current, writes=False)


def test_an_index_that_plans_use_by_its_partitions_is_needed_and_the_other_one_unused(ablation: Ablation) -> None:
    words = {removal.names: removal.word for removal in ablation.removals}
    assert words == {("events_tenant",): "needed", ("events_idle",): "unused"}
    (used,) = (removal.used_by for removal in ablation.removals if removal.word == "needed")
    assert used == ("tenant [given]",)
