"""The catalogue as a transaction sees it: what it made, dropped and rewrote, step by step, and back if it fails."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from inboxbench.dryrun.observe.log_statements import Draft, TriggerEvent
from inboxbench.dryrun.observe.sampler import Catalogue, Relation
from inboxbench.sqltree import Parsed
from inboxbench.sqltree.commands import Relation as Named

_FILED = ("r", "i", "m", "t", "S")
_NAMES = {"r": "table", "p": "table", "i": "index", "I": "index", "t": "toast", "v": "view", "m": "materialized view",
          "S": "sequence", "f": "table", "c": "type"}  # fmt: skip
_TRANSIENT = re.compile(r"pg_temp_\d+(_index)?$")  # the new file of a rewrite, while it is written


class View:
    """Relations by OID. Names outlive their relation: a lock on what was dropped is still named."""

    def __init__(self, catalogues: list[Catalogue]) -> None:
        self._committed = dict(catalogues[0].relations)
        self._current = dict(self._committed)
        self._savepoints: dict[str, dict[int, Relation]] = {}
        self._known: dict[int, Relation] = {}
        self._oids: dict[str, int] | None = None  # of what is there now; None: to be made again
        self._compared: tuple[Catalogue, set[int]] | None = None
        for catalogue in catalogues:
            self._known.update(catalogue.relations)

    def begin(self) -> None:
        self._oids = None
        self._current = dict(self._committed)
        self._savepoints = {}

    def end(self, *, committed: bool) -> None:
        if committed:
            self._committed = self._current

    def existed(self, oid: int) -> bool:
        """Before the transaction at hand, so that others may be using it."""
        return oid in self._committed

    def relation(self, oid: int) -> Relation | None:
        """Return None for what was never seen under a name: the transient file of a rewrite."""
        relation = self._current.get(oid) or self._known.get(oid)
        return None if relation is None or _TRANSIENT.match(relation.name) else relation

    def name(self, oid: int) -> str | None:
        relation = self.relation(oid)
        return relation.full_name if relation else None

    def by_name(self, full_name: str) -> int | None:
        if self._oids is None:
            self._oids = {relation.full_name: oid for oid, relation in reversed(self._current.items())}
        return self._oids.get(full_name)

    def meant(self, relation: Named, likely: Collection[int]) -> str | None:
        """Return schema.name of what a text names, perhaps without its schema: then one of those that are `likely`,
        else that of the schema public, else the only one.
        """
        if relation.schema:
            return relation.full_name
        alike = [item for item in self._current.values() if item.name == relation.name and item.kind in "rpmvf"]
        alike.sort(key=lambda item: (item.oid in likely, item.schema == "public"), reverse=True)
        sure = len(alike) == 1 or any(item.oid in likely or item.schema == "public" for item in alike[:1])
        return alike[0].full_name if sure else None

    def savepoint(self, draft: Draft) -> None:
        """SAVEPOINT keeps the state, ROLLBACK TO brings it back."""
        for command in draft.parsed.commands:
            if command.kind == "savepoint":
                self._savepoints[command.name or ""] = dict(self._current)
            elif command.kind == "rollback to" and command.name in self._savepoints:
                self._current, self._oids = dict(self._savepoints[command.name]), None

    def take(self, event: TriggerEvent) -> dict[str, int]:
        """Rewritten relations with their bytes; the view is what the event says from here on."""
        names = {relation.full_name: relation for relation in self._current.values()} if event.locks else {}
        self._oids = None
        rewritten: dict[str, int] = {}
        for oid, schema, name, kind, filenode, _, octets in event.locks:
            if name is None or _TRANSIENT.match(name):
                continue
            before = self._current.get(oid) or names.get(f"{schema}.{name}")
            relation = Relation(oid, schema, name, kind, filenode, table=before.table if before else 0)
            if before is not None and _has_new_file(before, relation) and (kind != "t" or octets):
                rewritten[relation.full_name] = octets or 0
            if before is not None and before.oid != oid:
                self._current.pop(before.oid, None)
            self._current[oid] = self._known[oid] = relation
        if event.event == "sql_drop":
            self._drop(event)
        return rewritten

    def _drop(self, event: TriggerEvent) -> None:
        """What the command built again under the same name has been compared by now: it holds a lock on the new one."""
        for oid, schema, name, _ in event.concerned or ():
            self._known.setdefault(oid, Relation(oid, schema, name, "r", 0))
            self._current.pop(oid, None)

    def compare(self, after: Catalogue, touched: set[int], parsed: Parsed) -> dict[str, int]:
        """Return the files that a command without events changed, of relations that it locked or names; any when it
        names none (VACUUM FULL, CASCADE) and nobody saw its locks. A look that came late shows what several commands
        have changed: a file is given to each of them that may have.
        """
        rewritten: dict[str, int] = {}
        self._oids = None
        if self._compared is None or self._compared[0] is not after:
            self._compared = after, set()
        changed = self._compared[1]
        any_of_them = not touched and _reaches_further(after, parsed)
        gone = {relation.full_name: relation for oid, relation in self._current.items() if oid not in after.relations}
        for oid, relation in after.relations.items():
            before = self._current.get(oid) or gone.get(relation.full_name)  # REINDEX CONCURRENTLY makes a new OID
            if before is None or not (oid in changed or _has_new_file(before, relation)) or _spared(relation, parsed):
                continue
            owners = {before.oid, *_owners(after, oid)}
            if owners & touched or any_of_them or _named(after, owners, parsed):
                rewritten[relation.full_name] = relation.size
                self._current.pop(before.oid, None)
                self._current[oid] = self._known[oid] = relation
                changed.add(oid)
        return rewritten


def _spared(relation: Relation, parsed: Parsed) -> bool:
    """Return whether the command cannot have given it another file: REINDEX writes indexes alone."""
    return relation.kind != "i" and all(command.kind == "reindex" for command in parsed.commands)


def _owners(catalogue: Catalogue, oid: int) -> Iterator[int]:
    """Yield the relation, the table of an index, the table of a TOAST table."""
    while oid in catalogue.relations:
        yield oid
        oid = catalogue.relations[oid].table


def _reaches_further(catalogue: Catalogue, parsed: Parsed) -> bool:
    cascades = any(command.cascade for command in parsed.commands)
    return cascades or not _named(catalogue, set(catalogue.relations), parsed)


def _named(catalogue: Catalogue, oids: set[int], parsed: Parsed) -> bool:
    return any(catalogue.relations[oid].name in parsed.words for oid in oids if oid in catalogue.relations)


def _has_new_file(before: Relation, after: Relation) -> bool:
    return before.kind in _FILED and after.kind == before.kind and before.filenode != after.filenode


def kind_name(relation: Relation) -> str:
    """table, index, toast, view, materialized view, sequence or type."""
    return _NAMES.get(relation.kind, "table")
