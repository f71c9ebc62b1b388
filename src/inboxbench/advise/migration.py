"""The migration to the advised set: SQL or an Alembic revision that builds and drops indexes CONCURRENTLY, with the
evidence in its header."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from inboxbench import __version__, units
from inboxbench.advise.result import Advice
from inboxbench.advise.show import headline, worth_of
from inboxbench.bench.sets.indexset import Index
from inboxbench.errors import UsageError
from inboxbench.files import read_text
from inboxbench.sqltree.tokens import quoted

_FORMS = (".sql", ".py")


@dataclass(frozen=True, slots=True)
class Steps:
    """Statements, each for a transaction of its own, and those that undo them."""

    upgrade: tuple[str, ...]
    downgrade: tuple[str, ...]


def check_migration(path: Path) -> None:
    """Raise UsageError for a file that is no .sql and no .py, or is there already."""
    if path.suffix not in _FORMS:
        raise UsageError(f"--migration {path}: write SQL (.sql) or an Alembic revision (.py); name a file that ends so")
    if path.exists():
        raise UsageError(f"--migration {path}: is there already; name a new file")
    if path.suffix == ".py":
        _parent(path)


def steps_of(advice: Advice, partitions: Mapping[str, Sequence[str]]) -> Steps:
    """Return the statements: what is new is built before what is old goes, so that no query is without an index.

    partitions: names of the partitions of each partitioned table, where PostgreSQL cannot build CONCURRENTLY on the
    whole.
    """
    up: list[str] = []
    down: list[str] = []
    for chosen in advice.added:
        up += [f"CREATE EXTENSION IF NOT EXISTS {quoted(name)}" for name in chosen.needs]
        index = Index(chosen.name, chosen.definition)
        up += _create(index, partitions)
        down.insert(0, _drop(index, partitions))
    for gone in advice.dropped:
        index = Index(gone.name, gone.definition)
        up.append(_drop(index, partitions))
        down = [*_create(index, partitions), *down]
    return Steps(tuple(up), tuple(down))


def _create(index: Index, partitions: Mapping[str, Sequence[str]]) -> Iterator[str]:
    parts = partitions.get(index.table)
    name = quoted(index.own_name)
    if not parts:
        yield f"CREATE INDEX CONCURRENTLY {name} ON {index.definition}"
        return
    rest = index.definition[len(index.table) :]
    yield f"CREATE INDEX {name} ON ONLY {index.table}{rest}"
    for part in parts:
        own = f"{part.rpartition('.')[2].strip(chr(34))}_{hashlib.sha256(index.definition.encode()).hexdigest()[:8]}"
        schema = f"{part.rpartition('.')[0]}." if "." in part else ""
        yield f"CREATE INDEX CONCURRENTLY {quoted(own)} ON {part}{rest}"
        yield f"ALTER INDEX {name} ATTACH PARTITION {schema}{quoted(own)}"


def _drop(index: Index, partitions: Mapping[str, Sequence[str]]) -> str:
    schema, _, name = index.name.rpartition(".")
    table_schema = index.table.rpartition(".")[0]
    place = f"{quoted(schema)}." if schema else f"{table_schema}." if table_schema else ""
    concurrently = "" if index.table in partitions else " CONCURRENTLY"
    return f"DROP INDEX{concurrently} IF EXISTS {place}{quoted(name)}"


def evidence(advice: Advice, command: str) -> list[str]:
    """Return the lines of the header: the sentence, and what each index does."""
    lines = [f"Made by inboxbench {__version__}: {command}", headline(advice)]
    for index in advice.added:
        worth = "" if index.worth is None else f"; without it a request costs {worth_of(index.worth)}"
        lines.append(f"+ {index.name}, {units.size(index.bytes)}, for {', '.join(index.used_by) or 'no query'}{worth}")
    lines += [f"- {gone.name}, {units.size(gone.bytes)}: {gone.why}" for gone in advice.dropped]
    lines += [f"loses: {query.name}, {units.times(query.ratio)} of its pages" for query in advice.losers]
    return [" ".join(line.split()) for line in lines]


def migration_text(path: Path, advice: Advice, steps: Steps, command: str) -> str:
    """Return the text of the file, in the form that its suffix names."""
    lines = evidence(advice, command)
    if path.suffix == ".sql":
        return "\n".join([*(f"-- {line}" for line in lines), "-- Run each statement outside of a transaction.", "",
                          *(f"{statement};" for statement in steps.upgrade)]) + "\n"  # fmt: skip
    revision = hashlib.sha256("\n".join(steps.upgrade).encode()).hexdigest()[:12]
    header = "\n".join(["Indexes chosen by measuring.", "", *lines]).replace("\\", "\\\\").replace('"""', "'''")
    return "\n".join(
        [
            f'"""{header}\n"""',
            "",
            "from alembic import op",
            "",
            f"revision = {revision!r}",
            f"down_revision = {_parent(path)!r}",
            "branch_labels = None",
            "depends_on = None",
            "",
            "",
            *_function("upgrade", steps.upgrade),
            "",
            "",
            *_function("downgrade", steps.downgrade),
        ]
    ) + "\n"  # fmt: skip


def _function(name: str, statements: Sequence[str]) -> list[str]:
    lines = [f"    {'    '}op.execute({statement!r})" for statement in statements]
    return [f"def {name}() -> None:", "    with op.get_context().autocommit_block():", *lines]


def _parent(path: Path) -> str | None:
    """Return the one head of the revisions that lie beside the file; None where there is no revision yet.

    Raises UsageError where there are several heads.
    """
    revisions: dict[str, set[str]] = {}
    for other in sorted(path.parent.glob("*.py")):
        found = _assigned(read_text(other))
        if isinstance(revision := found.get("revision"), str):
            below = found.get("down_revision")
            parents = below if isinstance(below, tuple | list) else [below]
            revisions[revision] = {str(parent) for parent in parents if parent}
    heads = sorted(set(revisions) - {below for parents in revisions.values() for below in parents})
    if len(heads) > 1:
        raise UsageError(
            f"--migration {path}: the revisions there have several heads, {', '.join(heads)}; merge them first"
        )
    return next(iter(heads), None)


def _assigned(text: str) -> dict[str, object]:
    """Return the constants that a module assigns to names; of one that is no Python, none."""
    try:
        nodes = ast.parse(text).body
    except (SyntaxError, ValueError):
        return {}
    found: dict[str, object] = {}
    for node in nodes:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        names = [target.id for target in _targets(node) if isinstance(target, ast.Name)]
        with suppress(ValueError):
            found |= dict.fromkeys(names, ast.literal_eval(node.value))
    return found


def _targets(node: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return node.targets if isinstance(node, ast.Assign) else [node.target]
