"""An upgrade rehearsed where the truth is known: planted flips are seen, and the same twice raises nothing.

    python bench/proofs/prove_upgrade.py --flips 20 --same 50 --output bench/results/upgrade.md

A shop of 60,000 orders, so that ANALYZE samples rows and does not read them all; with a statistics target of 10 the
sample is 3,000, and plans change by chance. A flip is planted in a second copy by a setting of the database, by other
rows, or by an index that is not there; what it must change is a query whose plan cannot stay.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from inboxbench.bench import run_matrix
from inboxbench.bench.servers import Side, contrast
from inboxbench.bench.upgrade import Upgrade, sampled_plans, upgrade
from inboxbench.database import connect, scratch_database
from inboxbench.machine import describe_machine
from inboxbench.project import Loose
from inboxbench.server import Server, open_server

_ROOT = Path(__file__).parents[2]
_ROWS = """
    CREATE TABLE customers (id bigint PRIMARY KEY, country text, name text);
    CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint, status text, placed timestamptz, total int);
    INSERT INTO customers SELECT n, (ARRAY['de', 'fr', 'it'])[1 + n % 3], 'c' || n FROM generate_series(1, 3000) n;
    INSERT INTO orders SELECT n, 1 + (n * 7919::bigint) % 3000, CASE WHEN n % 50 = 0 THEN 'open' ELSE 'done' END,
        '2026-01-01'::timestamptz + n * interval '1 min', n % 500 FROM generate_series(1, 60000) n;
    CREATE INDEX orders_customer ON orders (customer_id);
    CREATE INDEX orders_status ON orders (status, placed);
    CREATE INDEX orders_placed ON orders (placed);
    CREATE INDEX orders_total ON orders (total);
    CREATE INDEX customers_country ON customers (country);
"""
_QUERIES = {
    "by_customer": "SELECT id FROM orders WHERE customer_id = 77",
    "latest_open": "SELECT id FROM orders WHERE status = 'open' ORDER BY placed DESC LIMIT 20",
    "day": "SELECT sum(total) FROM orders WHERE placed >= '2026-01-20' AND placed < '2026-01-21'",
    "joined": "SELECT o.id, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE c.country = 'de' "
    "AND o.total > 490",
    "grouped": "SELECT customer_id, count(*) FROM orders GROUP BY customer_id",
    "by_key": "SELECT total FROM orders WHERE id = 4711",
    # Plans between which the estimate of rows decides: by other samples another one.
    "near": "SELECT count(customer_id) FROM orders WHERE total < 260",
    "nearer": "SELECT count(customer_id) FROM orders WHERE total < 257",
}


@dataclass(frozen=True, slots=True)
class Flip:
    """sql: what is done to the second copy, {0} its name; query: whose plan cannot stay then."""

    sql: str
    query: str


def _set(setting: str) -> str:
    return f'ALTER DATABASE "{{0}}" SET {setting}'


_NO_INDEX_SCANS = "; ".join(map(_set, ("enable_indexscan = off", "enable_bitmapscan = off")))
FLIPS = (
    Flip("DROP INDEX orders_customer", "by_customer"),
    Flip("DROP INDEX orders_status", "latest_open"),
    Flip("DROP INDEX orders_placed", "day"),
    Flip("ALTER TABLE orders DROP CONSTRAINT orders_pkey", "by_key"),
    Flip(_NO_INDEX_SCANS, "by_customer"),
    Flip(_NO_INDEX_SCANS, "day"),
    Flip(_NO_INDEX_SCANS, "by_key"),
    Flip(_set("enable_hashjoin = off"), "joined"),
    Flip(_set("enable_hashagg = off"), "grouped"),
    Flip(_set("enable_bitmapscan = off"), "by_customer"),
    Flip(_set("random_page_cost = 100000"), "by_customer"),
    Flip(_set("random_page_cost = 100000"), "day"),
    Flip(_set("cpu_index_tuple_cost = 10000"), "day"),
    Flip(_set("cpu_index_tuple_cost = 10000"), "by_customer"),
    Flip("UPDATE orders SET customer_id = 77", "by_customer"),
    Flip("DROP INDEX orders_customer; CREATE INDEX renamed ON orders (customer_id)", "by_customer"),
    Flip("DROP INDEX orders_status; CREATE INDEX orders_status ON orders (placed) WHERE status = 'open'; "
         "DROP INDEX orders_placed", "day"),
    Flip("DROP INDEX orders_customer; CREATE INDEX orders_customer ON orders USING hash (customer_id); "
         + _set("enable_bitmapscan = off"), "by_customer"),
    Flip("UPDATE orders SET placed = '2026-01-20 12:00'", "day"),
    Flip("TRUNCATE customers", "joined"),
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", type=int, default=len(FLIPS))
    parser.add_argument("--same", type=int, default=50, help="rehearsals from a version to itself")
    parser.add_argument("--server", default="embedded")
    parser.add_argument("--output", type=Path, default=_ROOT / "bench" / "results" / "upgrade.md")
    given = parser.parse_args()
    with open_server(given.server) as server, asked() as project, scratch_database(server, "shop") as shop:
        with connect(server.conninfo(shop)) as connection:
            connection.execute(_ROWS)
        flips = [planted(server, shop, project, flip) for flip in islice(cycle(FLIPS), given.flips)]
        with connect(server.conninfo(shop)) as connection:
            connection.execute(f'ALTER DATABASE "{shop}" SET default_statistics_target = 10')
        same = [twice(server, shop, project) for _ in range(given.same)]
        given.output.write_text("\n".join(page(flips, same, server, given)), encoding="utf-8")
    return 0 if all(seen for _, seen, _ in flips) and not any(made.raises for made in same) else 1


@contextmanager
def asked() -> Iterator[Loose]:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in _QUERIES.items():
            (Path(folder) / f"{name}.sql").write_text(text, encoding="utf-8")
        yield Loose(Path(folder), Path(folder) / "indexes.toml")


def side(server: Server, name: str, project: Loose, label: str) -> Side:
    with connect(server.conninfo(name)) as connection:
        connection.execute("ANALYZE")
    matrix = run_matrix(server, name, project, writes=False, rounds=1, as_is=True)
    return Side(label, server.version, matrix, sampled_plans(server, name, matrix, timeout_s=60, role=None))


def rehearsed(first: Side, second: Side) -> Upgrade:
    made = upgrade(contrast(first, second))
    assert made is not None
    return made


def planted(server: Server, shop: str, project: Loose, flip: Flip) -> tuple[Flip, bool, Upgrade]:
    """Return whether the flip was seen, in a copy that differs by it alone."""
    with scratch_database(server, "planted", shop) as other:
        with connect(server.conninfo(other)) as connection:
            for statement in flip.sql.format(other).split("; "):
                connection.execute(statement)
        made = rehearsed(side(server, shop, project, "today"), side(server, other, project, "planted"))
    seen = any(moved.other_plan and moved.change.before.case.query.name == flip.query for moved in made.moved)
    say(f"{'seen' if seen else 'MISSED'}: {flip.query} by {flip.sql}")
    return flip, seen, made


def twice(server: Server, shop: str, project: Loose) -> Upgrade:
    made = rehearsed(side(server, shop, project, "today"), side(server, shop, project, "again"))
    say(f"{'RAISED' if made.raises else 'nothing'}: {made.verdict}")
    return made


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def page(
    flips: list[tuple[Flip, bool, Upgrade]], same: list[Upgrade], server: Server, given: argparse.Namespace
) -> list[str]:
    machine = describe_machine()
    chance = sum(any(moved.by_chance for moved in made.moved) for made in same)
    measured = sum(any(moved.by_chance and moved.change.other_plan for moved in made.moved) for made in same)
    return [
        "# An upgrade, rehearsed where the truth is known",
        "",
        f"`python bench/proofs/prove_upgrade.py --flips {given.flips} --same {given.same}`,",
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {server.label};",
        f"{machine['cpu']}, {machine['cores']} cores, {machine['os']},",
        f"load {os.getloadavg()[0]:.1f} at the end. A shop of 60,000 orders, {len(_QUERIES)} queries.",
        "",
        f"- Planted flips: **{sum(seen for _, seen, _ in flips)} of {len(flips)}** were seen.",
        f"- The same twice, with samples of 3,000 rows: **{sum(made.raises for made in same)} of {len(same)}** raised",
        f"  anything. In {chance} a plan changed with the sample, in {measured} between the two measured runs.",
        "",
        "| planted | query whose plan cannot stay | seen | other plans changed | verdict |",
        "|---|---|---|---:|---|",
        *(
            f"| `{flip.sql.format('shop')}` | {flip.query} | {'yes' if seen else '**no**'} | "
            f"{sum(moved.other_plan and moved.change.before.case.query.name != flip.query for moved in made.moved)} | "
            f"{made.verdict.partition(': ')[2]} |"
            for flip, seen, made in flips
        ),
        "",
    ]


if __name__ == "__main__":
    raise SystemExit(main())
