"""Two heads to plant regressions in, the messenger's and a shop's, both as small as can be; the regressions themselves
are those of bench/proofs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from inboxbench.bench.sets.indexset import IndexSet
from inboxbench.database import connect, scratch_database
from inboxbench.gate import Environment, Snapshot
from inboxbench.gate.measure_head import Request, measure_database, upgraded
from inboxbench.gate.rules import read_rules
from inboxbench.gate.snapshot import Cost, Writing
from inboxbench.gate.writings import WatchedBuilder
from inboxbench.project import Loose, Project
from inboxbench.server import Server

sys.path.append(str(Path(__file__).parents[3] / "bench" / "proofs"))

import write_regressions as planted
from regressions import Regression

__all__ = ["Regression", "named", "planted"]

SEED = 3  # a dataset of its own: others hold connections to that of seed 1, and then it cannot be cloned


def named(kind: str) -> list[ParameterSet]:
    """Return the regressions of a kind as parameters; what a shop shows, too, is left to test-long on the messenger."""
    mine = [regression for regression in planted.WRITE_REGRESSIONS if regression.kind == kind]
    shops = {regression.name for regression in mine if regression.shop}
    return [
        pytest.param(
            regression,
            id=f"{'shop' if regression.shop else 'messenger'}: {regression.name}",
            marks=[] if regression.shop or regression.name not in shops else [pytest.mark.long],
        )
        for regression in mine
    ]


@dataclass(frozen=True)
class Head:
    """A database to alter copies of, and how one of them is measured."""

    server: Server
    template: str
    measured: Callable[[str, str | None], Snapshot]

    @contextmanager
    def altered(self, *statements: str) -> Iterator[str]:
        with scratch_database(self.server, "test", self.template) as name:
            with connect(self.server.conninfo(name)) as connection:
                for statement in statements:
                    if statement:
                        connection.execute(statement.encode())
            yield name

    def snapshot(self, *statements: str, role: str | None = None) -> Snapshot:
        with self.altered(*statements) as name:
            return self.measured(name, role)


@pytest.fixture(scope="session")
def shop_folder(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop's queries, with a write that deletes."""
    folder = tmp_path_factory.mktemp("shop") / "queries"
    shutil.copytree(project.root / "examples" / "shop" / "queries", folder)
    for name, text in planted.SHOP_FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def shop(server: Server, project: Project, shop_folder: Path) -> Iterator[Head]:
    loose = Loose(shop_folder, shop_folder / "indexes.toml")

    def measured(name: str, role: str | None) -> Snapshot:
        return measure_database(server, name, loose, Request("shop", queries=["lines"], role=role))

    with scratch_database(server, "shop") as name:
        with connect(server.conninfo(name)) as connection:
            schema = (project.root / "examples" / "shop" / "schema.sql").read_text(encoding="utf-8")
            for text in (schema, planted.SHOP_ROWS, planted.SHOP_RULES, planted.ROLE):
                connection.execute(text.encode())
        yield Head(server, name, measured)
    with connect(server.conninfo()) as connection:
        connection.execute(f"DROP ROLE {planted.CLERK}".encode())


@pytest.fixture(scope="session")
def messenger(server: Server, project: Project, shop: Head, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    """Its writes and rules alone, with few targets: what reads cost is measured by the command's own tests. The role
    of the shop goes after its databases."""
    root = tmp_path_factory.mktemp("few")
    shutil.copytree(project.bench, root / "bench")
    targets = root / "bench" / "targets" / "conversations.sql"
    targets.write_text(targets.read_text("utf-8").replace("least(1000,", "least(60,"), encoding="utf-8")

    def measured(name: str, role: str | None) -> Snapshot:
        own = IndexSet("migrated", "", "", ())
        writings: dict[str, dict[str, Writing]] = {}
        options: dict[str, Any] = {"project": Project(root), "role": role, "writings": writings}
        with WatchedBuilder(server, name, [own], **options) as builder, builder.built(own, lambda _name: None):
            pass
        with connect(server.conninfo(name)) as connection:
            rules = read_rules(connection)
        environment = Environment("0", "18.0", "tiny", 1, SEED, {}, {}, role)
        return Snapshot(environment, "", {}, {"migrated": Cost(0, {}, writings["migrated"])}, rules)

    with upgraded(server, project, Request(seed=SEED)) as (name, _dataset):
        yield Head(server, name, measured)
