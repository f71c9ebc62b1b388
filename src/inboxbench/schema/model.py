"""A schema as values whose parts can be compared: columns, the keys of an index, what a constraint asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from inboxbench.sqltree import tokens


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(tokens.quoted, names))


@dataclass(frozen=True, slots=True)
class Column:
    """A column. type: as format_type() spells it. default: an expression, `sequence` (a default of nextval), `identity`
    or `identity (always)`. generated: the expression of a generated column, with STORED or VIRTUAL behind it."""

    name: str
    type: str
    nullable: bool = True
    default: str | None = None
    generated: str | None = None
    collation: str | None = None

    @property
    def text(self) -> str:
        """The column without its name, as SQL would have it."""
        parts = [self.type]
        if self.collation:
            parts.append(f"COLLATE {self.collation}")
        if not self.nullable:
            parts.append("NOT NULL")
        if self.generated is not None:
            parts.append(f"GENERATED ALWAYS AS {self.generated}")
        elif self.default is not None:
            parts.append(f"DEFAULT {self.default}")
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class Key:
    """A column of an index, or an expression. operator: of an exclusion constraint. opclass: with its options, and
    collation: None for the default of the column's type."""

    term: str
    is_column: bool = True
    descending: bool = False
    nulls_first: bool = False
    opclass: str | None = None
    collation: str | None = None
    operator: str | None = None

    @property
    def text(self) -> str:
        """The key as CREATE INDEX would have it."""
        parts = [tokens.quoted(self.term) if self.is_column else self.term]
        if self.collation:
            parts.append(f"COLLATE {self.collation}")
        if self.opclass:
            parts.append(self.opclass)
        if self.descending:
            parts.append("DESC")
        if self.nulls_first != self.descending:
            parts.append("NULLS FIRST" if self.nulls_first else "NULLS LAST")
        if self.operator:
            parts.append(f"WITH {self.operator}")
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class Index:
    """An index, also that of a constraint. constraint: `primary key`, `unique`, `exclusion` or empty. timing: when a
    constraint is checked, where it can wait (`DEFERRABLE INITIALLY DEFERRED`). text: without CREATE INDEX, name, table.
    """

    name: str
    method: str
    keys: Sequence[Key]
    include: Sequence[str] = ()
    unique: bool = False
    nulls_equal: bool = False
    where: str | None = None
    constraint: str = ""
    timing: str = ""
    valid: bool = True

    @property
    def text(self) -> str:
        """What the index is, without its name and table."""
        kind = self.constraint.upper() or ("UNIQUE" if self.unique else "")
        parts = [kind, self.method if self.method != "btree" else "", f"({', '.join(key.text for key in self.keys)})"]
        parts += [f"INCLUDE ({_listed(self.include)})"] if self.include else []
        parts += ["NULLS NOT DISTINCT"] if self.nulls_equal else []
        parts += [f"WHERE {self.where}"] if self.where else []
        parts += [self.timing, "" if self.valid else "INVALID"]
        return " ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Constraint:
    """A CHECK or a foreign key. expression: of a CHECK. columns, target, target_columns: of a foreign key, target being
    a table's full name. details: what stands behind, such as ON DELETE CASCADE or NOT VALID."""

    name: str
    kind: str
    expression: str = ""
    columns: Sequence[str] = ()
    target: str = ""
    target_columns: Sequence[str] = ()
    details: Sequence[str] = ()

    @property
    def text(self) -> str:
        """The constraint without its name."""
        if self.kind == "check":
            parts = [f"CHECK ({self.expression})"]
        else:
            schema, _, table = self.target.partition(".")
            aim = tokens.quoted(table) if schema == "public" else f"{tokens.quoted(schema)}.{tokens.quoted(table)}"
            aim = f"{aim} ({_listed(self.target_columns)})"
            parts = [f"FOREIGN KEY ({_listed(self.columns)}) REFERENCES {aim}"]
        return " ".join([*parts, *self.details])


@dataclass(frozen=True, slots=True)
class Validation:
    """A rule that an application keeps and its database does not know, as a reference has it. column: what it is on."""

    name: str
    column: str
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table, materialised view or foreign table. partitioned: how, such as `RANGE (day)`; its partitions are no
    tables of their own here."""

    schema: str
    name: str
    kind: str = "table"
    partitioned: str = ""
    columns: Sequence[Column] = ()
    indexes: Sequence[Index] = ()
    constraints: Sequence[Constraint] = ()
    validations: Sequence[Validation] = ()

    @property
    def full_name(self) -> str:
        """schema.name"""
        return f"{self.schema}.{self.name}"

    @property
    def shown(self) -> str:
        """The name, with its schema unless that is `public`."""
        return self.name if self.schema == "public" else self.full_name

    @property
    def text(self) -> str:
        """What it is, without its columns."""
        return f"{self.kind}, PARTITION BY {self.partitioned}" if self.partitioned else self.kind


@dataclass(frozen=True, slots=True)
class Type:
    """An enum, a domain or a composite type. text: what it allows."""

    schema: str
    name: str
    kind: str
    text: str

    @property
    def shown(self) -> str:
        """The name, with its schema unless that is `public`."""
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class Mapped:
    """What the other side calls the parts of a table, as a reference says it. differs: by index, what is not alike.
    why: by column, index or validation, why the other side does without it."""

    table: str
    columns: Mapping[str, str] = field(default_factory=dict)
    indexes: Mapping[str, str] = field(default_factory=dict)
    validations: Mapping[str, str] = field(default_factory=dict)
    differs: Mapping[str, str] = field(default_factory=dict)
    why: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Schema:
    """All of one side. label: what the user calls it. remarks: what was not read, and why. unread: full names of tables
    that are not compared for it. mapped: by table, a reference's own pairs."""

    label: str
    tables: Sequence[Table]
    types: Sequence[Type] = ()
    remarks: Sequence[str] = ()
    unread: frozenset[str] = frozenset()
    mapped: Mapping[str, Mapped] = field(default_factory=dict)

    def called(self, label: str) -> Schema:
        """Return the same schema under another label."""
        return replace(self, label=label)
