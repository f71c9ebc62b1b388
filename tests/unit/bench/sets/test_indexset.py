"""The catalogue: composition of sets, and the table and key that an error names."""

from __future__ import annotations

from pathlib import Path

import pytest

from inboxbench.bench.sets.indexset import Catalogue, parse_catalogue, read_catalogue
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
