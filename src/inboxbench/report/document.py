"""`run.json` and the JSON of labs: read, checked against the schema, and free of passwords before anything else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from inboxbench.credentials import masked_json
from inboxbench.documents import check_figures, check_schema, quoted, read_json
from inboxbench.errors import UsageError
from inboxbench.report.table import Table, as_markdown, escape, print_table

SCHEMA_VERSION = 1
_AGAIN = "was the run that wrote it stopped? Run it again."


def load_run(path: Path) -> dict[str, Any]:
    """Return the run in this file, validated and redacted.

    Raises UsageError, naming the file and the key, when the file cannot be read, is not JSON, was cut short,
    or is not a run of inboxbench.
    """
    return checked_run(read_json(path, _AGAIN), source=str(path))


def load_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows that `race bench` or `race atlas` printed with --format json.

    Raises UsageError naming the file.
    """
    found = read_json(path, _AGAIN)
    if not isinstance(found, list) or not found or not all(isinstance(row, dict) for row in found):
        raise UsageError(f"{path}: holds no rows; name what `race atlas` or `race bench` prints with --format json.")
    return found


def load_document(path: Path) -> dict[str, Any]:
    """Return the JSON object in this file. Raises UsageError naming the file."""
    found = read_json(path, _AGAIN)
    if not isinstance(found, dict):
        raise UsageError(f"{path}: holds no JSON object; name what a command of inboxbench wrote with --output.")
    return found


def checked_run(document: object, source: str = "run") -> dict[str, Any]:
    """Return the document itself as a redacted copy. Raises UsageError saying which key is wrong and why."""
    _refuse_foreign(document, source)
    check_schema(
        document, source, "inboxbench.report", "run.schema.json", remedy="write the file again with `inboxbench demo`."
    )
    check_figures(document, source)
    for key, name in _dangling(document):
        raise UsageError(f"{source}: key {key!r} names {quoted(name)}, which the matrix does not declare.")
    copy: dict[str, Any] = masked_json(document)
    return copy


def _refuse_foreign(document: object, source: str) -> None:
    """A friendlier answer than the schema's for files that are not ours or come from another version."""
    if not isinstance(document, Mapping) or "schema_version" not in document:
        raise UsageError(f"{source}: key 'schema_version' is missing, so this is not a run of inboxbench.")
    version = document["schema_version"]
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise UsageError(
            f"{source}: key 'schema_version' is {quoted(version)}, and this version of inboxbench reads "
            f"{SCHEMA_VERSION}; use the version that wrote it."
        )


def _dangling(document: Any) -> Iterator[tuple[str, str]]:
    """Cells that name a query, a set or a parameter class the matrix has not."""
    matrix = document.get("matrix") or {}
    for kind, plural in (("query", "queries"), ("set", "sets"), ("class", "classes")):
        declared = {item["name"] for item in matrix.get(plural) or ()}
        for position, cell in enumerate(matrix.get("cells") or ()):
            if cell[kind] not in declared and (declared or kind != "class"):
                yield f"matrix.cells[{position}].{kind}", cell[kind]


# Rows that a page shows of a lab's table.
MOST_ROWS = 60


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab's result.

    name: of the command after `inboxbench bench`, one of several words after `inboxbench`. lead: what was done and how
    to read the figures. told: what the figures say, the most important sentence first. remarks: what was left out.
    """

    name: str
    title: str
    lead: str
    tables: Sequence[Table]
    told: Sequence[str] = ()
    remarks: Sequence[str] = ()

    @property
    def command(self) -> str:
        """The command that wrote it, without options."""
        return f"inboxbench {self.name}" if " " in self.name else f"inboxbench bench {self.name}"


# Labs by the key of their JSON that no other has.
Labs = Mapping[str, Callable[[Mapping[str, Any]], Lab]]


def kind_of(document: Mapping[str, Any], labs: Labs) -> str | None:
    """Return the key of the lab that wrote a document; None when none of them did."""
    return next((key for key in labs if key in document), None)


def read_lab(document: Mapping[str, Any], source: str, labs: Labs) -> Lab:
    """Return a lab's result from its JSON. Raises UsageError, naming the source and the key, for what no lab wrote."""
    kind = kind_of(document, labs)
    if kind is None:
        raise UsageError(f"{source}: holds no result of a lab; name what `inboxbench bench LAB --output FILE` wrote.")
    try:
        lab = labs[kind](document)
        for table in lab.tables:
            as_markdown(table)  # a figure of another type shows when it is written
        return lab
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        why = f"{type(error).__name__}: {error}"
        raise UsageError(f"{source}: {kind!r} is not as `inboxbench bench` writes it: {why}; measure again") from error


def print_lab(lab: Lab, console: Console) -> None:
    """Print the tables, then what they say."""
    for table in lab.tables:
        print_table(table, console)
    for place, sentence in enumerate(lab.told):
        console.print(Text(sentence if place == 0 else f"  {sentence}", style="" if place else "bold"))
    for remark in lab.remarks:
        console.print(Text(f"  note: {remark}", style="dim"))


def lab_markdown(lab: Lab, heading: Sequence[str]) -> str:
    """Return a result page. heading: its first lines, with its title."""
    lines = [*heading, lab.lead]
    for table in chain.from_iterable(table.split() for table in lab.tables):
        lines += ["", f"{escape(table.title)}:", "", as_markdown(table, detail=True)]
        lines += ["", *(f"- {escape(note)}" for note in table.notes)] if table.notes else []
    lines += ["", *(f"- {escape(sentence)}" for sentence in lab.told)] if lab.told else []
    lines += [f"- note: {escape(remark)}" for remark in lab.remarks]
    return "\n".join(lines) + "\n"
