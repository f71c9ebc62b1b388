"""The files of an import: a query each, its draws, the classes, and the mix, in the formats of `bench --queries`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from inboxbench.files import write_text
from inboxbench.sqltree import parse
from inboxbench.workload.draws import CLASSES
from inboxbench.workload.model import Imported, Question

_CLASSES, _MIX = "classes.toml", "mix.toml"


@dataclass(frozen=True, slots=True)
class Written:
    """Files of one query, which go again when it turns out not to run."""

    paths: Sequence[Path]
    classes: Path
    before: str

    def remove(self) -> None:
        for path in self.paths:
            path.unlink(missing_ok=True)
        write_text(self.classes, self.before)


def write_question(folder: Path, question: Question) -> Written:
    """Write the query, its draws and its part of classes.toml."""
    (folder / "draws").mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{question.name}.sql"]
    write_text(paths[0], _query(question))
    for name, text in question.draws.items():
        paths.append(folder / "draws" / f"{question.name}_{name}.sql")
        write_text(paths[-1], f"-- {question.name}: {CLASSES[name]}.\n{text}")
    classes = folder / _CLASSES
    before = classes.read_text(encoding="utf-8") if classes.is_file() else ""
    write_text(classes, before + "".join(_class(question.name, name) for name in question.draws))
    return Written(paths, classes, before)


def _class(query: str, name: str) -> str:
    return f'[{query}_{name}]\ntitle = "{CLASSES[name]}"\ndraws = ["{query}_{name}"]\n\n'


def _query(question: Question) -> str:
    shape, command = question.shape, parse(question.shape.text).only
    kind = command.kind if command else "query"
    ordered = "order by" in question.text.lower()
    declared = ", ".join(
        f"{name} {question.params[name]}" + (f" = {question.values[name]}" if name in question.values else "")
        for name in question.params
    )
    lines = [
        f"-- name: {question.name}",
        *_said(
            shape.header.lines,
            title=question.name.replace("_", " "),
            family=kind,
            order="ordered" if ordered else "unordered",
        ),
        *([f"-- params: {declared}"] if declared else []),
        *([f"-- classes: {' '.join(f'{question.name}_{name}' for name in question.draws)}"] if question.draws else []),
        *([f"-- {shape.calls:,} calls, {shape.ms:,.1f} ms in all, {shape.rows:,} rows"] if shape.ms else []),
        *(f"-- {remark}" for remark in question.remarks),
    ]
    return "\n".join(lines) + "\n\n" + question.text.rstrip("; \n") + "\n"


def _said(lines: Sequence[str], **usual: str) -> list[str]:
    """Return the lines of a header that its file has, and for each key of `usual` that no line has one of its own."""
    keys = {line.removeprefix("--").partition(":")[0].strip() for line in lines}
    return [*lines, *(f"-- {key}: {value}" for key, value in usual.items() if key not in keys)]


def write_mix(folder: Path, imported: Imported) -> None:
    """Write the weights, the shares of calls as of a hundred requests."""
    total = sum(question.shape.calls for question in imported.questions) or 1
    lines = [
        f"# What a hundred requests ask for, by calls: {imported.source}.",
        "",
        "[mix]",
        *(
            f"{question.name} = {max(100 * question.shape.calls / total, 0.0001):.4f}"
            for question in imported.questions
        ),
    ]
    write_text(folder / _MIX, "\n".join(lines) + "\n")
