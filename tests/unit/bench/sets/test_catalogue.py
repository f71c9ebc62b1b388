"""The catalogue: composition of sets, and the table and key that an error names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from inboxbench.bench.sets.catalogue import Catalogue, parse_catalogue, read_catalogue
from inboxbench.bench.sets.indexset import Index, IndexSet
from inboxbench.errors import UsageError
from inboxbench.project import Project

PATH = Path("schema/indexes.toml")
GOOD = """
[index.a]
definition = "t (a)"
[index.b]
definition = "t USING gin (b gin_trgm_ops)"
needs = ["pg_trgm"]
[index.c]
definition = "u(c) WHERE c > 0"

[set.low]
indexes = ["a", "b"]
[set.high]
title = "higher"
extends = ["low"]
without = ["a"]
indexes = ["c", "b"]
default = false
"""


def parse(text: str) -> Catalogue:
    return parse_catalogue(PATH, text)


def names(catalogue: Catalogue, name: str) -> list[str]:
    return [index.name for index in catalogue.sets[name].indexes]


def test_sets_compose_without_repetition() -> None:
    catalogue = parse(GOOD)
    assert names(catalogue, "low") == ["a", "b"]
    assert names(catalogue, "high") == ["b", "c"]
    assert catalogue.sets["high"].title == "higher"


def test_index_knows_its_table_and_kind() -> None:
    indexes = parse(GOOD).indexes
    assert [index.table for index in indexes.values()] == ["t", "t", "u"]
    assert [index.inverted for index in indexes.values()] == [False, True, False]
    assert indexes["c"].create.as_string() == 'CREATE INDEX "c" ON u(c) WHERE c > 0'


def test_default_sets_and_named_ones() -> None:
    catalogue = parse(GOOD)
    assert [one.name for one in catalogue.choose()] == ["low"]
    assert [one.name for one in catalogue.choose(["high", "low", "high"])] == ["high", "low"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('definition = "t (a)"', ""), "[index.a] definition: missing"),
        (('definition = "t (a)"', "definition = 3"), "[index.a] definition: expected a string, found a whole number"),
        (('"pg_trgm"', "7"), "[index.b] needs: expected strings in it, found a whole number"),
        (('needs = ["pg_trgm"]', 'need = "x"'), "[index.b]: unknown key 'need'; did you mean 'needs'?"),
        (('indexes = ["a", "b"]', 'indexes = ["a", "bb"]'), "[set.low] indexes: unknown index 'bb'; did you mean 'b'?"),
        (('extends = ["low"]', 'extends = ["lo"]'), "[set.high] extends: unknown index set 'lo'; did you mean 'low'?"),
        (('without = ["a"]', 'without = ["c"]'), "[set.high] without: 'c' is in none of the sets it extends"),
        (('indexes = ["a", "b"]', 'extends = ["high"]'), "goes round in a circle"),
        (("[set.low]", "[sets.low]"), "unknown table 'sets'; did you mean 'set'?"),
        (("[index.a]", "[index.a"), "not TOML"),
        (('definition = "t (a)"', 'definition = "t (a)"\nunique = "yes"'), "[index.a] unique: expected true or false"),
        (("[set.low]", '[statistics.s]\nwhy = "x"\n[set.low]'), "[statistics.s] definition: missing"),
        (("[set.low]", '[set.low]\nstatistics = ["s"]'), "[set.low] statistics: unknown statistics 's'"),
        (("[set.low]", "[set.low]\ntargets = { a = 5 }"), "[set.low] targets: 'a' is no column; write it as"),
        (("[set.low]", '[set.low]\ntargets = { "t.a" = 20000 }'), "targets: t.a: give a whole number from 0 to 10,000"),
        (("[set.low]", '[set.low]\ntargets = { "t.a" = true }'), "targets: t.a: give a whole number"),
        (("[set.low]", "[set.low]\nsettings = { work_mem = [1] }"), "settings: work_mem: expected a value such as"),
        (("[set.low]", "[set.low]\nqueries = { q = 3 }"), "[set.low] queries: expected strings in it"),
        (("[set.low]", "[set.low]\ndrops = [3]"), "[set.low] drops: expected strings in it"),
        (("[set.low]", '[set.low]\nextends = ["current"]\nwithout = ["x"]'), "what the database has goes by `drops`"),
    ],
)
def test_errors_name_table_and_key(change: tuple[str, str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(GOOD.replace(*change))
    assert str(caught.value).startswith("schema/indexes.toml")
    assert message in str(caught.value)


def test_unknown_set_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown index set 'hihg'; did you mean 'high'"):
        parse(GOOD).choose(["hihg"])


def test_every_shipped_index_says_what_it_serves_and_why(project: Project) -> None:
    catalogue = read_catalogue(project.schema / "indexes.toml")
    queries = {path.stem for path in (project.bench / "queries").glob("*.sql")}
    assert {"primary_keys", "baseline", "chatwoot", "owners", "recommended"} <= set(catalogue.sets)
    for index in catalogue.indexes.values():
        assert index.why, index.name
        assert index.serves, index.name
        # A name that looks like a query is one.
        assert all(name in queries for name in index.serves if "_" in name and " " not in name), index.name


def test_every_shipped_index_is_in_a_set(project: Project) -> None:
    catalogue = read_catalogue(project.schema / "indexes.toml")
    used = {index.name for one in catalogue.sets.values() for index in one.indexes}
    assert used == set(catalogue.indexes)


@pytest.mark.parametrize("identity", ["C9", "P2.1a", "P2.1b", "M9a", "M9b", "M9c"])
def test_owners_proposals_are_in_their_set(project: Project, identity: str) -> None:
    owners = read_catalogue(project.schema / "indexes.toml").sets["owners"]
    assert [index for index in owners.indexes if identity in index.ids]


def test_sets_that_extend_each_other_without_end_are_refused() -> None:
    text = '[set.s0]\ntitle = "x"\n' + "".join(f'[set.s{n}]\nextends = ["s{n - 1}"]\n' for n in range(1, 2000))
    with pytest.raises(UsageError, match=r"extends: more than 50 sets in a row"):
        parse(text)


MEMBERS = """
[statistics.pair]
definition = "(mcv) ON a, b FROM t"
[set.base]
extends = ["current"]
settings = { random_page_cost = 1.1, jit = true, work_mem = "8MB" }
statistics = ["pair"]
[set.more]
extends = ["base"]
settings = { work_mem = "64MB" }
targets = { 'app."T x".a' = 500, "t.b" = -1 }
queries = { latest = "alt/latest.sql" }
[set.swap]
drops = ["old"]
"""


def test_members_come_with_the_sets_that_are_extended_and_the_last_one_decides() -> None:
    sets = parse(MEMBERS).sets
    more = sets["more"].members
    assert more.on_current
    assert more.settings == {"random_page_cost": "1.1", "jit": "on", "work_mem": "64MB"}
    assert [made.create.as_string() for made in more.statistics] == ['CREATE STATISTICS "pair" (mcv) ON a, b FROM t']
    assert more.targets == {'app."T x".a': 500, "t.b": -1}
    assert more.queries == {"latest": "schema/alt/latest.sql"}
    assert sets["base"].members.settings["work_mem"] == "8MB"
    assert not sets["base"].members.queries


def test_a_set_that_drops_an_index_begins_with_those_of_the_database() -> None:
    current = IndexSet("current", "current", "", (Index("old", "t (a)"), Index("kept", "t (b)")))
    swap = parse(MEMBERS).sets["swap"].based_on(current, "sets.toml [set.swap]")
    assert [index.name for index in swap.indexes] == ["kept"]
    clash = replace(swap, indexes=(Index("kept", "t (c)"),))
    with pytest.raises(UsageError, match=r"^sets.toml \[set.swap\]: the database has an index kept already; rename it"):
        clash.based_on(current, "sets.toml [set.swap]")


def test_a_set_called_current_is_the_files_own() -> None:
    own = parse('[index.a]\ndefinition = "t (a)"\n[set.current]\nindexes = ["a"]\n[set.s]\nextends = ["current"]\n')
    assert not own.sets["s"].members.on_current
    assert names(own, "s") == ["a"]
