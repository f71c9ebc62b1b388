"""What a lab of `inboxbench bench` found, as tables and sentences, made of the JSON that it writes.

The command that runs a lab and `inboxbench report --with FILE` show the same value, by the same writers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.text import Text

from inboxbench.errors import UsageError
from inboxbench.report.table import Table, as_markdown, escape, print_table

# Rows that a page shows of a lab's table.
MOST_ROWS = 60


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab's result.

    name: of the command after `inboxbench bench`. lead: what was done and how to read the figures. told: what the
    figures say, the most important sentence first. remarks: what was left out, and why.
    """

    name: str
    title: str
    lead: str
    tables: Sequence[Table]
    told: Sequence[str] = ()
    remarks: Sequence[str] = ()


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
        return labs[kind](document)
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
        console.print(Text(f"  left out: {remark}", style="dim"))


def lab_markdown(lab: Lab, heading: Sequence[str]) -> str:
    """Return a result page. heading: its first lines, with its title."""
    lines = [*heading, lab.lead]
    for table in lab.tables:
        lines += ["", f"{escape(table.title)}:", "", as_markdown(table, detail=True)]
        lines += ["", *(f"- {escape(note)}" for note in table.notes)] if table.notes else []
    lines += ["", *(f"- {escape(sentence)}" for sentence in lab.told)] if lab.told else []
    lines += [f"- left out: {escape(remark)}" for remark in lab.remarks]
    return "\n".join(lines) + "\n"
