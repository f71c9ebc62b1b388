"""How much of what a server was asked becomes questions, and whether they rank index sets as hand-written ones do.

    python bench/proofs/prove_workload.py --output bench/results/workload.md

A server with pg_stat_statements is asked by three applications: a film shop (pagila.sql, its statements are
pagila_asked.sql), the suite of a Django blog (blog/), and the messenger's queries and writes in the proportions of its
mix. Each workload is imported from what the server counted (of the suite: from what it sent). Then the messenger's
index sets are ranked twice on the same rows: by the queries of bench/queries with their draws, and by those imported.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import psycopg

from inboxbench.bench import run_matrix
from inboxbench.bench.verdict.verdict import decide
from inboxbench.bench.workload.mix import mixed, project_weights
from inboxbench.bench.workload.queries import draw_cases, read_workload
from inboxbench.bench.workload.writes import draw_targets, read_writes
from inboxbench.database import connect, scratch_database
from inboxbench.lifetime import running
from inboxbench.machine import describe_machine
from inboxbench.project import Project, find_project
from inboxbench.seed.datasets.dataset import load_dataset
from inboxbench.server import Server, server_of
from inboxbench.server.binaries import find_bindir
from inboxbench.server.cluster import start_cluster, stop_cluster, temporary_cluster
from inboxbench.server.environment import without_libpq
from inboxbench.server.handle import Embedded
from inboxbench.sqlfile import QueryFile, as_psycopg
from inboxbench.workload.model import Imported
from inboxbench.workload.questions import Questions, Statements, questions, statements_of
from inboxbench.workload.run import Limits
from inboxbench.workload.show import coverage
from inboxbench.workload.sources.command import read_command

_HERE = Path(__file__).parent
_REQUESTS = 6000  # of the messenger
_CLOSE = 0.02  # sets whose costs are as close as this share the place
_BLOG_ROWS = """
    INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, email, is_staff, is_active,
                           date_joined)
    SELECT 'x', false, 'user' || n, 'f', 'l', n || '@x.org', false, true, now() FROM generate_series(1, 500) n;
    INSERT INTO auth_group (name) SELECT 'group ' || n FROM generate_series(1, 9) n;
    INSERT INTO auth_user_groups (user_id, group_id) SELECT n, 1 + n % 9 FROM generate_series(1, 200) n;
    INSERT INTO auth_user_user_permissions (user_id, permission_id)
    SELECT n, (SELECT min(id) FROM auth_permission) + n % 9 FROM generate_series(1, 200) n;
    INSERT INTO blog_tag (name) SELECT 't' || n FROM generate_series(1, 50) n;
    INSERT INTO blog_post (author_id, title, body, status, published, meta)
    SELECT 1 + n % 500, 'Title ' || n, 'about snow and rust', CASE WHEN n % 3 = 0 THEN 'draft' ELSE 'live' END,
        now() - n * interval '1 hour', jsonb_build_object('lang', 'de', 'n', n) FROM generate_series(1, 5000) n;
    INSERT INTO blog_post_tags (post_id, tag_id) SELECT n, 1 + n % 50 FROM generate_series(1, 5000) n;
    INSERT INTO blog_comment (post_id, name, body, created, approved)
    SELECT 1 + n % 5000, 'a', 'b', now(), n % 2 = 0 FROM generate_series(1, 20000) n;
    INSERT INTO django_session SELECT 'key' || n, 'data', now() + n * interval '1 hour' FROM generate_series(1, 300) n;
    ANALYZE
"""


@dataclass(frozen=True, slots=True)
class Rank:
    """Sets by name with their place and cost by each of the two workloads."""

    name: str
    by_hand: int
    imported: int
    cost_by_hand: float
    cost_imported: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="tiny", help="of the messenger")
    parser.add_argument("--output", type=Path, default=_HERE.parent / "results" / "workload.md")
    given = parser.parse_args()
    project, found = find_project(), dict[str, Imported]()
    with counting_server() as server:
        found["film shop, pg_stat_statements"] = film_shop(server)
        found["blog of Django, its suite"] = blog(server)
        name = load_dataset(server, given.profile, 1, at="head", project=project).name
        with scratch_database(server, "messenger", name) as database, asked(server, database, project) as made:
            found[f"messenger ({given.profile}), pg_stat_statements"] = made.imported
            ranks = ranking(server, database, project, made)
        given.output.write_text("\n".join(page(found, ranks, server, given.profile)), encoding="utf-8")
    return (
        0
        if all(made.share_of_queries >= 0.9 for made in found.values()) and _equal(ranks) * 10 >= 9 * len(ranks)
        else 1
    )


@contextmanager
def counting_server() -> Iterator[Server]:
    """A server of our own with pg_stat_statements."""
    with temporary_cluster(find_bindir(Embedded())) as cluster:
        with psycopg.connect(cluster.url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
        stop_cluster(cluster)
        start_cluster(cluster)
        yield server_of("embedded", cluster)


def _counted(server: Server, database: str) -> Statements:
    return statements_of(server.url(database))


def _imported(server: Server, database: str, statements: Statements) -> Imported:
    with questions(server, database, statements) as made:
        say(coverage(made.imported))
        for part in made.imported.left_out:
            say(f"    {part.calls} × {part.reason}: {part.example}")
        return made.imported


def film_shop(server: Server) -> Imported:
    asked_of = (_HERE / "pagila_asked.sql").read_text(encoding="utf-8").splitlines()
    with scratch_database(server, "film") as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute((_HERE / "pagila.sql").read_bytes())
            connection.execute("CREATE EXTENSION pg_stat_statements")
            connection.execute("SELECT pg_stat_statements_reset()")
            for number in range(1, 31):
                for text in asked_of:
                    sent = text.replace(":n", str(number)).replace("0:d", f"0{1 + number % 9}")
                    if text.startswith("COPY"):
                        with connection.cursor().copy(sent.encode()) as copy:
                            for _ in copy:
                                pass
                    else:
                        connection.execute(sent.encode())
        return _imported(server, name, _counted(server, name))


def blog(server: Server) -> Imported:
    django, place = [sys.executable, "-m", "django"], ["--pythonpath", str(_HERE / "blog"), "--settings", "settings"]
    recorded, status = read_command(" ".join([*django, "test", "blog", *place]), Embedded())
    if status:
        raise SystemExit(f"the suite of the blog failed: exit status {status}")
    with scratch_database(server, "blog") as name:
        host = server.base.rpartition("host=")[2].partition("&")[0]
        environment = without_libpq() | {"PGHOST": host, "PGPORT": "5432", "PGUSER": "postgres", "PGDATABASE": name}
        with running([*django, "migrate", "--run-syncdb", *place], stdout=2, env=environment) as process:
            process.wait()
        with connect(server.conninfo(name)) as connection:
            connection.execute(_BLOG_ROWS)
        return _imported(server, name, Statements(tuple(recorded), "the suite"))


@contextmanager
def asked(server: Server, database: str, project: Project) -> Iterator[Questions]:
    """The messenger's queries and writes as the server counted them, sent in the proportions of the mix."""
    workload, writes = read_workload(project), read_writes(project)
    with connect(server.conninfo(database)) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        cases = [(case.query, [dict(case.values)]) for case in draw_cases(workload, connection, project).cases]
        cases += [(write, draw_targets(connection, project.bench / "targets", write)) for write in writes]
        shares = mixed(project_weights(project), _named(workload.queries), _named(writes))
        share = {**shares.reads, **shares.writes}
        weights = [share.get(query.name, 0) / sum(other.name == query.name for other, _ in cases) for query, _ in cases]
        connection.execute("SELECT pg_stat_statements_reset()")
        random = Random(1)
        for query, values in random.choices(cases, weights, k=_REQUESTS):
            with connection.transaction(force_rollback=query.rolled_back):
                connection.execute(as_psycopg(query.text).encode(), random.choice(values))
    statements = _counted(server, database)
    with questions(server, database, statements, catalogue=project.indexes, limits=Limits(timeout_s=60)) as made:
        say(coverage(made.imported))
        yield made


def _named(queries: tuple[QueryFile, ...]) -> list[tuple[str, str]]:
    return [(query.name, query.family) for query in queries]


def ranking(server: Server, database: str, project: Project, made: Questions) -> list[Rank]:
    """Each set's place by the cost of a read of the mix, by hand and imported; writes are left out of both."""
    costs = []
    for asked_by in (project, made.project):
        reads = [query.name for query in read_workload(asked_by).queries if not query.rolled_back]
        sets = [*_sets(project)]
        matrix = run_matrix(server, database, asked_by, sets=sets, queries=reads, writes=False, rounds=1, as_is=True)
        weights = {name: weight for name, weight in project_weights(asked_by).items() if name != "writes"}
        costs.append({cost.index_set: float(cost.read_cost or 0) for cost in decide(matrix, weights).costs})
        say(str(costs[-1]))
    by_hand, imported = costs
    return [
        Rank(name, _place(name, by_hand), _place(name, imported), by_hand[name], imported[name]) for name in by_hand
    ]


def _sets(project: Project) -> Iterator[str]:
    from inboxbench.bench.sets.catalogue import project_catalogue  # noqa: PLC0415

    yield from project_catalogue(project).sets


def _place(name: str, costs: dict[str, float]) -> int:
    """Return 1 for the best; those within _CLOSE of each other share a place."""
    return 1 + sum(cost < costs[name] * (1 - _CLOSE) for cost in costs.values())


def _equal(ranks: list[Rank]) -> int:
    return sum(rank.by_hand == rank.imported for rank in ranks)


def _percent(share: float) -> str:
    """Never say 100 % of what is less."""
    return f"{min(share, 0.999):.1%}" if share < 1 else "100%"


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def page(found: dict[str, Imported], ranks: list[Rank], server: Server, profile: str) -> list[str]:
    machine = describe_machine()
    return [
        "# What becomes of a workload",
        "",
        f"`python bench/proofs/prove_workload.py --profile {profile}`, {dt.datetime.now(dt.UTC):%Y-%m-%d},",
        f"{server.label}; {machine['cpu']}, {machine['cores']} cores, {machine['os']},",
        f"load {os.getloadavg()[0]:.1f} at the end.",
        "",
        "## Coverage",
        "",
        "| application, source | of the time | of that of queries | queries | left out, the longest first |",
        "|---|---:|---:|---:|---|",
        *(
            f"| {name} | {_percent(made.share)} | **{_percent(made.share_of_queries)}** | {len(made.questions)} | "
            f"{'; '.join(f'{part.calls:,} × {part.reason}' for part in made.left_out[:5]) or 'nothing'} |"
            for name, made in found.items()
        ),
        "",
        "## Index sets of the messenger, by hand-written and by imported queries",
        "",
        f"The place of **{_equal(ranks)} of {len(ranks)}** sets is the same by the cost of a read of the mix; sets",
        f"within {_CLOSE:.0%} share a place.",
        "",
        "| set | place by hand | imported | cost by hand | imported |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {rank.name} | {rank.by_hand} | {'' if rank.by_hand == rank.imported else '**'}{rank.imported}"
            f"{'' if rank.by_hand == rank.imported else '**'} | {rank.cost_by_hand:,.1f} | {rank.cost_imported:,.1f} |"
            for rank in sorted(ranks, key=lambda rank: (rank.by_hand, rank.cost_by_hand))
        ),
        "",
    ]


if __name__ == "__main__":
    raise SystemExit(main())
