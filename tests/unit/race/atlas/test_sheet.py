"""Families in files: each mistake is named with its file and way."""

from __future__ import annotations

from pathlib import Path

import pytest

from inboxbench.errors import UsageError
from inboxbench.project import find_project
from inboxbench.race.atlas.sheet import read_families

GOOD = """\
-- name: claim
-- title: two agents take one ticket
-- ids: T1

--- setup
CREATE TABLE tickets (id int);
--- reset
DELETE FROM tickets;
--- complaints
SELECT 'two' FROM tickets HAVING count(*) > 1;

--- way naive
-- meaning: look, then insert
-- safe: ser
SELECT 1 FROM tickets;
-- if none
INSERT INTO tickets VALUES (1);

--- way apart
-- meaning: each its own
-- mutant: naive
-- preemptions: 2
-- deaths: 1
--- session 1
INSERT INTO tickets VALUES (1);
--- session 2
INSERT INTO tickets VALUES (2);
--- session 3
INSERT INTO tickets VALUES (3);
"""


def test_a_family_has_its_ways(tmp_path: Path) -> None:
    (tmp_path / "claim.sql").write_text(GOOD)
    (family,) = read_families(tmp_path)
    naive, apart = family.entries
    assert (family.name, family.ids, family.script) == ("claim", ("T1",), "CREATE TABLE tickets (id int)")
    assert (naive.name, naive.safe, len(naive.functions), naive.mutant) == ("naive", ("ser",), 2, None)
    assert (apart.safe, len(apart.functions), apart.mutant, apart.preemptions, apart.deaths) == ((), 3, "naive", 2, 1)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("-- title: two agents take one ticket\n", "", "claim.sql header: key 'title' is missing"),
        ("--- setup\nCREATE TABLE tickets (id int);\n", "", "claim.sql: section `--- setup` is missing"),
        ("--- complaints", "--- complains", "unknown section 'complains'; did you mean 'complaints'"),
        ("-- ids: T1", "-- serial: tickets", "give either a section `--- complaints` or a key `serial`"),
        ("HAVING count(*) > 1", "WHERE :answer", "complaints: unknown parameter 'answer'; did you mean 'answers'"),
        ("-- meaning: each its own\n", "", "claim.sql way apart header: key 'meaning' is missing"),
        (
            "-- safe: ser",
            "-- safe: serr",
            "claim.sql way naive safe: unknown isolation level 'serr'; did you mean 'ser'",
        ),
        ("-- deaths: 1", "-- deaths: one", "claim.sql way apart deaths: 'one' is no number"),
        ("--- way apart", "--- way naive", "claim.sql: way 'naive' is given twice"),
        ("INSERT INTO tickets VALUES (2);\n", "", "claim.sql way apart: a session does nothing"),
        ("-- deaths: 1", "-- autocommit: on", "claim.sql way apart autocommit: 'on' is neither 'yes' nor 'no'"),
        ("-- if none", "-- if nothing", "claim.sql way naive: no earlier statement gives 'nothing'"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_way(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    (tmp_path / "claim.sql").write_text(GOOD.replace(old, new, 1))
    with pytest.raises(UsageError) as error:
        read_families(tmp_path)
    assert said in str(error.value)


def test_a_mutant_is_a_way_of_its_family() -> None:
    for family in read_families(find_project().bench / "atlas"):
        names = {entry.name for entry in family.entries}
        assert {entry.mutant for entry in family.entries} <= {*names, None}
