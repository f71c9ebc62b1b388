"""The columns that placeholders are compared with or assigned to, found in the catalogue of the copy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from inboxbench.database import Connection
from inboxbench.sqltree import parse
from inboxbench.sqltree.commands import Relation
from inboxbench.sqltree.parameters import Origin, Use
from inboxbench.sqltree.tokens import quoted

_COLUMNS = """
    SELECT a.attname::text, format_type(coalesce(nullif(t.typbasetype, 0), a.atttypid), NULL),
           EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique
                   AND a.attnum = ANY(i.indkey::int2[]))
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""
_OWN_FUNCTIONS = """
    SELECT EXISTS (SELECT 1 FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
                   WHERE proname = ANY(%s) AND nspname NOT IN ('pg_catalog', 'information_schema'))"""
_KINDS = "SELECT relkind::text FROM unnest(%s::text[]) n LEFT JOIN pg_class c ON c.oid = to_regclass(n)"
_AGGREGATES = "SELECT DISTINCT proname::text FROM pg_proc WHERE prokind IN ('a', 'w')"
_ENUMS = "SELECT format_type(oid, NULL) FROM pg_type WHERE typtype = 'e'"


@dataclass(frozen=True, slots=True)
class Column:
    """A column, or an expression over one, of a table. alias: what the query calls the table; kind: the type, of
    a domain its base; unique: part of a unique index."""

    alias: str
    table: str
    expression: str
    kind: str
    unique: bool


@dataclass(slots=True)
class Tables:
    """What the copy has, looked up once."""

    connection: Connection
    enums: frozenset[str] = frozenset()
    aggregates: frozenset[str] = frozenset()
    _known: dict[str, dict[str, tuple[str, bool]] | None] = field(default_factory=dict)

    @classmethod
    def of(cls, connection: Connection) -> Tables:
        enums, aggregates = (frozenset(name for (name,) in connection.execute(text)) for text in (_ENUMS, _AGGREGATES))
        return cls(connection, enums, aggregates)

    def columns(self, relation: Relation) -> Mapping[str, tuple[str, bool]] | None:
        """Return type and uniqueness by column; None for a relation that is not there."""
        name = spelled(relation)
        if name not in self._known:
            row = self.connection.execute("SELECT to_regclass(%s)::oid", (name,)).fetchone()
            found = self.connection.execute(_COLUMNS, row).fetchall() if row and row[0] else None
            self._known[name] = (
                None if found is None else {column: (castable(kind), unique) for column, kind, unique in found}
            )
        return self._known[name]

    def touched(self, text: str) -> bool:
        """Return whether a statement names a relation, or calls a function of the database's own that may read one."""
        references = parse(text).references
        if references.relations:
            names = [spelled(relation) for relation in references.relations]
            kinds = [kind for (kind,) in self.connection.execute(_KINDS, (names,))]
            return any(kind != "S" for kind in kinds)  # pg_dump reads sequences
        row = self.connection.execute(_OWN_FUNCTIONS, (list(references.functions),)).fetchone()
        return bool(row and row[0])

    def column(self, use: Use) -> Column | None:
        """Return the column behind a use; None where none of the relations has it, or there are several columns."""
        for origin in use.origins:
            columns = self.columns(origin.relation) or {}
            name = use.column
            if name is None and use.kind == "assigned" and use.place < len(columns):
                name = list(columns)[use.place]  # an INSERT that names no columns
            if name and name in columns and not self._summed(use.expression):
                return self._column(use, origin, name, *columns[name])
        return None

    def _summed(self, expression: str) -> bool:
        """Return whether an expression holds for groups of rows: of one row it has no value to draw."""
        if "(" not in expression:
            return False
        parsed = parse(f"SELECT {expression}")
        return bool(self.aggregates & parsed.references.functions) or "grouping" in parsed.words

    @staticmethod
    def _column(use: Use, origin: Origin, name: str, kind: str, unique: bool) -> Column:
        bare = quoted(name)
        plain = use.expression.rsplit(".", 1)[-1] in (bare, name)
        expression = bare if plain or not use.expression else use.expression
        # Within an expression the type is another than the column's: the query's own words decide what fits.
        return Column(quoted(origin.alias), spelled(origin.relation), expression, kind if plain or not use.expression
                      else "", unique and (plain or not use.expression))  # fmt: skip


def castable(kind: str) -> str:
    """Return a type as format_type spells it in words that a cast leaves as long as it is.

    >>> castable("character"), castable("bit[]"), castable("text")
    ('bpchar', '"bit"[]', 'text')
    """
    bare = kind.removesuffix("[]")
    return {"character": "bpchar", "bit": '"bit"'}.get(bare, bare) + kind[len(bare) :]


def spelled(relation: Relation) -> str:
    """Return a relation as SQL spells it."""
    return ".".join(quoted(part) for part in (relation.schema, relation.name) if part)
