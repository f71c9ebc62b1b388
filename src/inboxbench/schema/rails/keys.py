"""Indexes, foreign keys and other constraints of schema.rb as SQL."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from inboxbench.schema.rails.columns import column, quoted
from inboxbench.schema.rails.syntax import Call, Misread

Columns = Mapping[str, Sequence[str]]
"""The columns of each table that was read so far."""

_RULES = {"cascade": "CASCADE", "nullify": "SET NULL", "restrict": "RESTRICT"}
_INDEX_OPTIONS = frozenset({
    "name", "unique", "using", "where", "order", "opclass", "include", "nulls_not_distinct", "length", "comment",
    "algorithm", "if_not_exists", "type", "internal", "column",
})  # fmt: skip
_KEY_OPTIONS = frozenset({
    "column", "primary_key", "name", "on_delete", "on_update", "deferrable", "validate", "to_table", "if_not_exists",
})  # fmt: skip
_IRREGULAR = {"people": "person", "children": "child", "men": "man", "women": "woman", "media": "medium",
              "data": "datum", "mice": "mouse", "criteria": "criterion", "oxen": "ox"}  # fmt: skip


def only(call: Call, known: frozenset[str]) -> None:
    """Raises Misread for an option that is not known."""
    if odd := sorted(call.options.keys() - known):
        raise Misread(call.line, f"option {odd[0]}: of {call.method} is not understood")


def singular(table: str) -> Iterator[str]:
    """What the plural of a table's last word may be the plural of."""
    head, word = re.match(r"(.*_)?([^_]*)$", table.rpartition(".")[2]).groups("")  # type: ignore[union-attr]
    if word in _IRREGULAR:
        yield head + _IRREGULAR[word]
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("ves", "f"), ("ves", "fe"), ("es", ""), ("ses", "sis"),
                            ("ices", "ex"), ("ices", "ix"), ("s", ""), ("", "")):  # fmt: skip
        if word.endswith(ending):
            yield head + word.removesuffix(ending) + instead


def index_sql(call: Call, _columns: Columns) -> str:
    """Return an index as SQL. Raises Misread for what is not understood."""
    table, options = call.name(), call.options
    only(call, _INDEX_OPTIONS)
    columns = call.arguments[1] if len(call.arguments) > 1 else options.get("column")
    if isinstance(columns, str) and re.search(r"\W", columns):
        keys = columns
    elif columns:
        names = columns if isinstance(columns, list) else [columns]
        keys = ", ".join(_key(str(name), options) for name in names)
    else:
        raise Misread(call.line, "an index names no columns")
    name = options.get("name") or _index_name(table, columns)
    parts = [
        "CREATE UNIQUE INDEX" if options.get("unique") else "CREATE INDEX",
        f"{column(str(name))} ON {quoted(table)}",
        f"USING {options['using']}" if options.get("using") else "",
        f"({keys})",
        f"INCLUDE ({', '.join(map(column, _listed(options['include'])))})" if options.get("include") else "",
        "NULLS NOT DISTINCT" if options.get("nulls_not_distinct") else "",
        f"WHERE {options['where']}" if options.get("where") else "",
    ]
    return " ".join(part for part in parts if part)


def _key(name: str, options: Any) -> str:
    order, opclass = (_of(options.get(option), name) for option in ("order", "opclass"))
    term = f"({name})" if re.search(r"[^\w$]", name) and "(" in name else column(name)
    return " ".join(part for part in (term, opclass, order) if part)


def _of(option: Any, name: str) -> str:
    """What an option says of a column: one value for all, or one for each."""
    value = option.get(name, "") if isinstance(option, dict) else option or ""
    return str(value).upper() if str(value) in ("asc", "desc") else str(value)


def _listed(value: Any) -> list[str]:
    return [str(item) for item in (value if isinstance(value, list) else [value])]


def _index_name(table: str, columns: Any) -> str:
    words = "_and_".join(_listed(columns)) if not isinstance(columns, str) else re.sub(r"\W+", "_", columns)
    return f"index_{table.rpartition('.')[2]}_on_{words}"[:63]


def foreign_key_sql(call: Call, seen: Columns) -> str:
    """Return a foreign key as SQL. Raises Misread for what is not understood."""
    table, target, options = call.name(), call.name(1), call.options
    only(call, _KEY_OPTIONS)
    columns = _listed(options["column"]) if options.get("column") else [_key_column(seen, call, table, target)]
    aims = _listed(options.get("primary_key", "id"))
    name = options.get("name") or f"fk_rails_{hashlib.sha256(f'{table}_{columns[0]}_fk'.encode()).hexdigest()[:10]}"
    parts = [
        f"ALTER TABLE {quoted(table)} ADD CONSTRAINT {column(str(name))}",
        f"FOREIGN KEY ({', '.join(map(column, columns))})",
        f"REFERENCES {quoted(target)} ({', '.join(map(column, aims))})",
        *(
            f"ON {verb} {_rule(call, rule)}"
            for verb in ("DELETE", "UPDATE")
            if (rule := options.get(f"on_{verb.lower()}"))
        ),
        _timing(options.get("deferrable")),
        "NOT VALID" if options.get("validate") is False else "",
    ]
    return " ".join(part for part in parts if part)


def _key_column(seen: Columns, call: Call, table: str, target: str) -> str:
    """The column that Rails leaves out of a dump because it is called after the table it leads to."""
    known = seen.get(table)
    if known is None:
        raise Misread(call.line, f"{table!r} was left out itself")
    found = next((f"{name}_id" for name in singular(target) if f"{name}_id" in known), None)
    if found is None:
        raise Misread(call.line, f"{table!r} has no column called after {target!r}; say column:")
    return found


def _rule(call: Call, rule: Any) -> str:
    if rule not in _RULES:
        raise Misread(call.line, f"{rule!r} is none of {', '.join(_RULES)}")
    return _RULES[rule]


def _timing(deferrable: Any) -> str:
    if not deferrable:
        return ""
    return "DEFERRABLE INITIALLY DEFERRED" if deferrable == "deferred" else "DEFERRABLE"


def _constraint(call: Call, kind: str) -> str:
    name = call.options.get("name")
    named = f"CONSTRAINT {column(str(name))} " if name else ""
    return f"ALTER TABLE {quoted(call.name())} ADD {named}{kind}"


def check_sql(call: Call, _columns: Columns) -> str:
    """Return a CHECK as SQL. Raises Misread for what is not understood."""
    only(call, frozenset({"name", "validate", "if_not_exists"}))
    invalid = " NOT VALID" if call.options.get("validate") is False else ""
    return _constraint(call, f"CHECK ({call.name(1)}){invalid}")


def exclusion_sql(call: Call, _columns: Columns) -> str:
    """Return an exclusion constraint as SQL. Raises Misread for what is not understood."""
    options = call.options
    only(call, frozenset({"name", "using", "where", "deferrable"}))
    where = f" WHERE ({options['where']})" if options.get("where") else ""
    using = f"USING {options['using']} " if options.get("using") else ""
    text = f"EXCLUDE {using}({call.name(1)}){where} {_timing(options.get('deferrable'))}"
    return _constraint(call, text)


def unique_sql(call: Call, _columns: Columns) -> str:
    """Return a unique constraint as SQL. Raises Misread for what is not understood."""
    options = call.options
    only(call, frozenset({"name", "deferrable", "nulls_not_distinct", "using_index"}))
    nulls = "NULLS NOT DISTINCT " if options.get("nulls_not_distinct") else ""
    if using := options.get("using_index"):
        text = f"UNIQUE USING INDEX {column(str(using))}"
    elif len(call.arguments) > 1:
        text = f"UNIQUE {nulls}({', '.join(map(column, _listed(call.arguments[1])))})"
    else:
        raise Misread(call.line, "a unique constraint names no columns")
    return _constraint(call, f"{text} {_timing(options.get('deferrable'))}")


PARTS: dict[str, Callable[[Call, Columns], str]] = {
    "index": index_sql,
    "foreign_key": foreign_key_sql,
    "check_constraint": check_sql,
    "exclusion_constraint": exclusion_sql,
    "unique_constraint": unique_sql,
    "unique_key": unique_sql,
}
