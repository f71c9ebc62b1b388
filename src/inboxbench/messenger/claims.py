"""What the owners of the messenger wrote, claim by claim, and the measurement that confirms or refutes each.

A claim lies below its requirement in schema/requirements.toml and names where its figures stand: cells of a record of
`inboxbench demo`, a trap or a table of bench/results, a schedule of the atlas, the reference of Chatwoot, or a test. A
verdict is computed from the figures; the one that the file expects is what a test compares it with.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from inboxbench.documents import check_table, read_json, read_toml
from inboxbench.errors import UsageError, unknown
from inboxbench.project import Project
from inboxbench.report.document import Lab
from inboxbench.report.table import Cell, Column, Row, Table, words
from inboxbench.units import pages

Kind = Literal["index", "useful for", "more precise than", "fact"]
Verdict = Literal["confirmed", "refuted"]
KINDS: Sequence[str] = ("index", "useful for", "more precise than", "fact")
LEAST = 2.0  # what halves a figure serves; what does not, does not
RECORD = Path("results") / "claims.json"
_KEYS = {"said": str, "kind": str, "verdict": str, "because": str, "error": bool, "least": float}
_MEASURES = {
    "cells": {"query": str, "without": str, "with": str},
    "trap": {"name": str},
    "table": {"file": str, "section": str, "column": str, "without": str, "with": str},
    "atlas": {"family": str, "without": str, "with": str},
    "reference": {"table": str, "column": str, "index": str, "read": str, "holds": str},
    "test": {"path": str, "name": str},
}


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence of the owners. id: of its requirement. error: one of the seven that misread what was compared with.
    least: the factor from which on figures confirm it. measure, of: what decides, and where it stands."""

    id: str
    said: str
    kind: str
    expected: str
    because: str
    error: bool
    least: float
    measure: str
    of: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Judged:
    """A claim with its verdict. figures: in words, with their unit. source: where they stand. command: repeats them."""

    claim: Claim
    verdict: Verdict
    figures: str
    source: str
    command: str


@dataclass(frozen=True, slots=True)
class Sources:
    """Where figures are read: the project, and a record of `inboxbench demo` with the name that it is shown under."""

    project: Project
    record: Mapping[str, Any]
    shown: str


def read_claims(path: Path) -> tuple[Claim, ...]:
    """Return the claims of schema/requirements.toml in their order. Raises UsageError naming the file and key."""
    return tuple(
        _claim(f"{path} [{name}] claims, number {number}", name, entry)
        for name, table in read_toml(path).items()
        for number, entry in enumerate(table.get("claims", ()), 1)
    )


def _claim(where: str, name: str, entry: Mapping[str, Any]) -> Claim:
    named = [key for key in _MEASURES if key in entry]
    plain = check_table({key: value for key, value in entry.items() if key not in _MEASURES}, _KEYS, where)
    for key in ("said", "kind", "verdict", "because"):
        if key not in plain:
            raise UsageError(f"{where} {key}: missing")
    if plain["kind"] not in KINDS:
        raise unknown("kind", plain["kind"], KINDS, where=f"{where} kind")
    if len(named) != 1:
        raise UsageError(f"{where}: names {len(named)} measurements; give one of {', '.join(_MEASURES)}")
    of = check_table(entry[named[0]], _MEASURES[named[0]], f"{where} {named[0]}")
    said, kind, verdict, because = (plain[key] for key in ("said", "kind", "verdict", "because"))
    return Claim(name, said, kind, verdict, because, plain.get("error", False), plain.get("least", LEAST), named[0], of)


def sources(project: Project, record: Path | None = None) -> Sources:
    """Return where figures are read. record: a run.json; None: what the project keeps of the last one.

    Raises UsageError when the record cannot be read.
    """
    path = record or project.bench / RECORD
    shown = str(path) if record else f"bench/{RECORD.as_posix()}"
    return Sources(project, read_json(path, "name the run.json of `inboxbench demo`"), shown)


def judge(claims: Iterable[Claim], found: Sources) -> tuple[Judged, ...]:
    """Return each claim with its figures. Raises UsageError for one whose figures are not where it says."""
    return tuple(_JUDGES[claim.measure](claim, found) for claim in claims)


def _of_figures(
    claim: Claim, figures: Sequence[float], unit: Callable[[float], str], source: str, command: str
) -> Judged:
    """Figures without and with what the claim is about: it is confirmed where the first is `least` times the second."""
    without, with_ = figures
    said = f"{unit(without)} under {claim.of['without']}, {unit(with_)} under {claim.of['with']}"
    return Judged(
        claim, "confirmed" if without > 0 and without >= claim.least * with_ else "refuted", said, source, command
    )


def _cells(claim: Claim, found: Sources) -> Judged:
    query, sets = claim.of["query"], [claim.of["without"], claim.of["with"]]
    worst = [_worst(found, query, name, claim) for name in sets]
    profile = found.record.get("seed", {}).get("profile", "small")
    command = f"inboxbench bench --profile {profile} --queries {query} --sets {','.join(sets)}"
    return _of_figures(claim, worst, pages, f"{found.shown}, {query}", command)


def _worst(found: Sources, query: str, name: str, claim: Claim) -> float:
    """Pages of the worst class of parameters that a query was measured with."""
    cells = (found.record.get("matrix") or {}).get("cells", ())
    mine = [c["buffers"] for c in cells if (c["query"], c["set"]) == (query, name) and c.get("buffers") is not None]
    if not mine:
        raise UsageError(f"{found.shown}: has no cell of {query} under {name}, which the claim of {claim.id} reads")
    return float(max(mine))


def _trap(claim: Claim, found: Sources) -> Judged:
    """The trap's bad way is what was asked for: it is refuted where the good way costs `least` times less."""
    name, file = claim.of["name"], "bench/results/traps.md"
    row = _table_row(found, file, "", name, claim)
    bad, good = _number(row["bad"]), _number(row["good"])
    verdict: Verdict = "refuted" if bad >= claim.least * good else "confirmed"
    figures = f"{pages(bad)}, {pages(good)} the other way"
    return Judged(claim, verdict, figures, f"{file}, {name}", f"inboxbench bench traps {name}")


def _table(claim: Claim, found: Sources) -> Judged:
    file, section, column = claim.of["file"], claim.of.get("section", ""), claim.of["column"]
    rows = [_table_row(found, file, section, claim.of[key], claim) for key in ("without", "with")]
    if column not in rows[0]:
        raise unknown("column", column, rows[0], where=f"{file}, for the claim of {claim.id}")
    command = re.search(r"`(inboxbench [^`]+?)(?: --output [^`]+)?`", (found.project.root / file).read_text("utf-8"))
    figures = [_number(row[column]) for row in rows]
    said = "pages for a list page" if column == "page" else column
    return _of_figures(claim, figures, lambda v: f"{v:,.0f} {said}", file, command[1] if command else "")


def _table_row(found: Sources, file: str, section: str, name: str, claim: Claim) -> dict[str, str]:
    """The cells of a row of a Markdown table, by heading."""
    text = (found.project.root / file).read_text(encoding="utf-8")
    part = text.partition(f"## {section}\n")[2].partition("\n## ")[0] if section else text
    heading: list[str] = []
    for line in part.splitlines():
        cells = [re.sub(r"\[(.*?)\]\(.*?\)|[*→`]", r"\1", cell).strip() for cell in line.strip("| ").split("|")]
        if not line.startswith("|"):
            heading = []
        elif not heading:
            heading = cells
        elif cells[0] == name:
            return dict(zip(heading, cells, strict=True))
    raise UsageError(f"{file}: has no row {name!r}, which the claim of {claim.id} reads")


def _number(text: str) -> float:
    return float(text.replace(",", "").split()[0])


def _atlas(claim: Claim, found: Sources) -> Judged:
    family = claim.of["family"]
    bad = [_bad(found, family, claim.of[key], claim) for key in ("without", "with")]
    command = f"inboxbench race atlas --family {family}"
    return _of_figures(claim, bad, lambda value: f"{value:,.0f} bad schedules", f"{found.shown}, atlas", command)


def _bad(found: Sources, family: str, entry: str, claim: Claim) -> float:
    for cell in found.record.get("atlas") or ():
        if (cell["family"], cell["entry"], cell["level"]) == (family, entry, "rc"):
            return float(cell["bad"])
    raise UsageError(f"{found.shown}: has no cell {family} / {entry} of the atlas, which the claim of {claim.id} reads")


def _reference(claim: Claim, found: Sources) -> Judged:
    """What the reference has: `holds` stands in the text of a column or index, empty for what is only to be there."""
    path, of = found.project.schema / "reference" / "chatwoot.toml", claim.of
    table = read_toml(path)["tables"][of["table"]]
    if "read" in of:
        readers = [index["name"] for index in table["indexes"] if of["read"] in " ".join(index["on"])]
        figures, holds = f"{len(readers)} indexes on {of['read']}", bool(readers)
    else:
        text = _part(table, of)
        figures, holds = text or "no such part", text is not None and of.get("holds", "") in text
    verdict: Verdict = "confirmed" if holds else "refuted"
    name = of.get("column") or of.get("index") or of["read"]
    source = f"schema/reference/chatwoot.toml, {of['table']}.{name}"
    return Judged(claim, verdict, figures, source, "inboxbench schema compare head chatwoot --all")


def _part(table: Mapping[str, Any], of: Mapping[str, str]) -> str | None:
    if column := table["columns"].get(of.get("column", "")):
        return f"{column['type']}{'' if column['null'] else ' NOT NULL'}"
    for index in table["indexes"]:
        if index["name"] == of.get("index"):
            unique = "UNIQUE " if index.get("unique") else "not unique: "
            operators = f" {index['operators']}" if "operators" in index else ""
            return f"{unique}{index.get('method', 'btree')} ({', '.join(index['on'])}{operators})"
    return None


def _test(claim: Claim, found: Sources) -> Judged:
    """A fact that no figure says: the test that fails where it is not so has to be there."""
    path, name = claim.of["path"], claim.of["name"]
    file = found.project.root / path
    if not file.is_file() or f"def {name}(" not in file.read_text(encoding="utf-8"):
        raise UsageError(f"{path}: has no test {name}, which the claim of {claim.id} names")
    verdict: Verdict = "confirmed" if claim.expected == "confirmed" else "refuted"
    return Judged(claim, verdict, "shown by a test", f"{path}, {name}", f"pytest {path} -k {name}")


_JUDGES: Mapping[str, Callable[[Claim, Sources], Judged]] = {
    "cells": _cells,
    "trap": _trap,
    "table": _table,
    "atlas": _atlas,
    "reference": _reference,
    "test": _test,
}


def kept(record: Mapping[str, Any], claims: Iterable[Claim]) -> dict[str, Any]:
    """Return what the claims read of a record, and what it says of itself, to be kept beside the other results."""
    read = [(claim.of["query"], name) for claim in claims if claim.measure == "cells" for name in _sets(claim)]
    families = {claim.of["family"] for claim in claims if claim.measure == "atlas"}
    cells = [
        {key: cell[key] for key in ("query", "class", "set", "buffers", "plan")}
        for cell in record["matrix"]["cells"]
        if (cell["query"], cell["set"]) in read
    ]
    atlas = [
        {key: cell[key] for key in ("family", "entry", "level", "bad", "schedules")}
        for cell in record.get("atlas") or ()
        if cell["family"] in families
    ]
    about = {key: record[key] for key in ("schema_version", "tool", "started_at", "machine") if key in record}
    about |= {"server": {"label": record["server"]["label"]}, "seed": {"profile": record["seed"]["profile"]}}
    return {**about, "matrix": {"cells": cells}, "atlas": atlas}


def _sets(claim: Claim) -> tuple[str, str]:
    return claim.of["without"], claim.of["with"]


def claims_document(judged: Iterable[Judged], found: Sources) -> dict[str, Any]:
    """Return what `inboxbench coverage --claims` writes as JSON (claims.schema.json)."""
    record = found.record
    return {
        "schema_version": 1,
        "record": {
            "source": found.shown,
            "started_at": record.get("started_at"),
            "server": (record.get("server") or {}).get("label"),
            "profile": (record.get("seed") or {}).get("profile"),
        },
        "claims": [
            {
                **{key: getattr(row.claim, key) for key in ("id", "said", "kind", "error", "because", "expected")},
                **{key: getattr(row, key) for key in ("verdict", "figures", "source", "command")},
            }
            for row in judged
        ],
    }


def claims_lab(document: Mapping[str, Any]) -> Lab:
    """Return the claims as a table, with the figures that confirm or refute each."""
    claims = document["claims"]
    refuted = [claim for claim in claims if claim["verdict"] == "refuted"]
    errors = [claim["id"] for claim in claims if claim["error"]]
    columns = [*words("id", "claim", "verdict", "figures", "why"), *_CODE]
    told = [
        f"{len(claims) - len(refuted)} of {len(claims)} claims are confirmed, {len(refuted)} refuted.",
        f"In {len(errors)} places the owners misread what they compared with: {', '.join(errors)}.",
    ]
    record = document["record"]
    about = ", ".join(str(record[key]) for key in ("server", "started_at") if record[key])
    told.append(f"Pages and schedules: {record['source']}, profile {record['profile']}, {about}.")
    table = Table("Claims of the owners, and what was measured", columns, [_row(claim) for claim in claims])
    return Lab("coverage --claims", "What the owners wrote, and what is so", _LEAD, [table], told)


_CODE = [Column("where the figures stand", words=True, code=True), Column("repeat it", words=True, code=True)]
_LEAD = (
    "Each sentence stands in schema/requirements.toml beside the measurement that decides it. Pages are 8 kB, of the "
    "worst class of parameters that a query was measured with."
)


def _row(claim: Mapping[str, Any]) -> Row:
    said = f"{claim['said']} (misread)" if claim["error"] else claim["said"]
    verdict = Cell(claim["verdict"], "good" if claim["verdict"] == "confirmed" else "bad")
    return Row([claim["id"], said, verdict, *(claim[key] for key in ("figures", "because", "source", "command"))])


def unexpected(judged: Iterable[Judged]) -> list[str]:
    """Return the claims whose figures say something else than schema/requirements.toml, in words."""
    return [
        f"{row.claim.id}, {row.claim.said!r}: {row.claim.expected} in the file, {row.verdict} by {row.figures}"
        for row in judged
        if row.verdict != row.claim.expected
    ]
