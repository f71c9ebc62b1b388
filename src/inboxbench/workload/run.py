"""The import: from recorded statements to queries with values, each tried on a copy of the database."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg

from inboxbench.bench.execute.session import open_probe, prepared
from inboxbench.bench.workload.queries import Case, Workload, draw_cases, read_workload
from inboxbench.database import connect
from inboxbench.errors import InboxbenchError, SubjectFailed, shortened
from inboxbench.project import Loose, Project
from inboxbench.server import Server, reason
from inboxbench.sqltree import parse
from inboxbench.sqltree.parameters import uses
from inboxbench.sqltree.tokens import inlined, placeholders
from inboxbench.workload.columns import Tables
from inboxbench.workload.draws import Drawn, Slot, draws_for
from inboxbench.workload.folder import write_mix, write_question
from inboxbench.workload.model import Imported, LeftOut, Question, Recorded, Shape
from inboxbench.workload.shapes import leave_out, shapes_of, shown
from inboxbench.workload.typing import Typed, typed

Progress = Callable[[int, int, str], None]

MOST_QUERIES = 200
TIMEOUT_S = 60.0
BUDGET_S = 900.0
_NO_TABLE = "touches no table"
_NAME = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Limits:
    """What an import takes: the `most` queries that took longest; of those, what one execution ends within timeout_s.

    values: write the values of the log into the files, not draws of like ones. budget_s: how long queries are tried in
    all; what is not tried by then is left out.
    """

    most: int = MOST_QUERIES
    timeout_s: float = TIMEOUT_S
    values: bool = False
    budget_s: float = BUDGET_S


@dataclass(slots=True)
class _Import:
    server: Server
    database: str
    folder: Path
    limits: Limits
    rest: dict[str, LeftOut] = field(default_factory=dict)
    names: Counter[str] = field(default_factory=Counter)

    def questions(self, shapes: Sequence[Shape], progress: Progress | None) -> Iterator[Question]:
        with connect(self.server.conninfo(self.database)) as connection:
            connection.prepare_threshold = None  # typing takes away what is prepared
            tables, end = Tables.of(connection), time.monotonic() + self.limits.budget_s
            for place, shape in enumerate(shapes):
                if place >= self.limits.most:
                    self._leave("beyond the queries that are taken (--top)", shape)
                    continue
                if time.monotonic() >= end:
                    self._leave("not tried: the time for that was over (--budget)", shape)
                    continue
                if progress:
                    progress(place, min(len(shapes), self.limits.most), shortened(shown(shape.text), 60))
                found = self._question(typed(connection, shape.text, shape.header.types), shape, tables)
                if found is not None:
                    yield found

    def _question(self, known: Typed, shape: Shape, tables: Tables) -> Question | None:
        """Return the question with its files written and tried; None when it cannot be run, which is noted."""
        if known.problem or not tables.touched(shape.text):
            why = _why(known.problem, shape.text, tables) if known.problem else _NO_TABLE
            self._leave(why, shape)
            return None
        slots = _slots(known, tables)
        drawn = self._values(shape, slots) or draws_for(slots, tables, _usual(shape, slots))
        text = inlined(known.text, {str(number): f":{slot.name}" for number, slot in enumerate(slots, 1)})
        params = {slot.name: slot.kind for slot in slots}
        question = Question(self._name(shape), shape, text, params, drawn.draws, drawn.constants, drawn.remarks)
        written = write_question(self.folder, question)
        kept, problem = self._tried(question)
        if kept:
            if question.draws and kept != tuple(question.draws):
                written.remove()
                question = replace(question, draws={name: question.draws[name] for name in kept})
                write_question(self.folder, question)
            return question
        written.remove()
        self._leave(problem, shape)
        return None

    def _values(self, shape: Shape, slots: Sequence[Slot]) -> Drawn | None:
        """Return the values of its file, or of the log's commonest call where they are wanted and known."""
        if shape.header.values and as_recorded(shape, slots):
            return Drawn({}, {slot.name: shape.header.values[number] for number, slot in enumerate(slots, 1)})
        if not self.limits.values or not shape.samples or not slots or not as_recorded(shape, slots):
            return None
        calls = Counter(tuple(sorted(sample.items(), key=lambda pair: pair[0])) for sample in shape.samples)
        sample = dict(calls.most_common(1)[0][0])
        values = [sample.get(number) for number in range(1, len(slots) + 1)]
        if any(value is None for value in values):
            return None
        return Drawn(
            {}, {slot.name: _literal(value) for slot, value in zip(slots, values, strict=True) if value is not None}
        )

    def _name(self, shape: Shape) -> str:
        if shape.name:
            base = shape.name
        else:
            parsed = parse(shape.text)
            kind = parsed.only.kind if parsed.only else "query"
            tables = [relation.name for relation in parsed.references.relations]
            words = "_".join([re.sub(r"\W+", "_", name.lower()) for name in dict.fromkeys(tables)][:2])
            base = f"{words[:40] or 'values'}_{kind}_{shape.fingerprint[:4]}"
        self.names[base] += 1
        return base if self.names[base] == 1 else f"{base}_{self.names[base]}"

    def _tried(self, question: Question) -> tuple[tuple[str, ...], str]:
        """Return the classes with which it runs (of a query without classes: "given"), and why it runs with none."""
        project = Loose(self.folder, catalogue=self.folder / "indexes.toml")
        problem = "this data has no values for its parameters"
        ran: list[str] = []
        for case in self._cases(read_workload(project, [question.name]), project):
            error = case if isinstance(case, str) else self._executed(case)
            if error is not None:
                problem = error
            elif isinstance(case, Case):
                ran.append(case.parameter_class.name.removeprefix(f"{question.name}_"))
        return tuple(ran), problem

    def _cases(self, workload: Workload, project: Project) -> Iterator[Case | str]:
        """Yield each case of a query with its values, or why a class has none."""
        with connect(self.server.conninfo(self.database)) as connection:
            connection.execute("SELECT set_config('statement_timeout', %s, false)", (f"{self.limits.timeout_s:g}s",))
            for chosen in workload.classes:
                try:
                    yield from draw_cases(replace(workload, classes=(chosen,)), connection, project).cases
                except (InboxbenchError, psycopg.Error) as error:
                    problem = _short(str(error).rsplit(".sql: ", maxsplit=1)[-1])
                    ended = f"drawing its values did not end within {self.limits.timeout_s:g} s"
                    yield ended if "statement timeout" in problem else problem

    def _executed(self, case: Case) -> str | None:
        """Return why a case does not run; None when it does."""
        try:
            with (
                open_probe(self.server, self.database, timeout_s=self.limits.timeout_s) as probe,
                prepared(probe.connection, case) as execute,
                probe.undone(case.query),
            ):
                probe.connection.execute(execute)
        except psycopg.errors.QueryCanceled:
            return f"did not end within {self.limits.timeout_s:g} s"
        except psycopg.Error as error:
            return _short(reason(error))
        return None

    def _leave(self, why: str, shape: Shape) -> None:
        leave_out(
            self.rest, why, LeftOut(why, shape.text, shape.ms, shape.calls, shape.statements, query=why != _NO_TABLE)
        )


def _short(problem: str) -> str:
    return shortened(problem.splitlines()[0], 120)


def _why(problem: str, text: str, tables: Tables) -> str:
    """Say of a relation that is not there that it is one of a session's own, as temporary tables are."""
    for relation in parse(text).references.relations:
        if tables.columns(relation) is None:
            return "names a table that the database does not have (temporary, or of another schema)"
    return problem


def _slots(known: Typed, tables: Tables) -> list[Slot]:
    """Return the placeholders in order, each with a name: its column's where that is a plain one, else p and number."""
    found, slots = uses(known.text), []
    taken: set[str] = set()
    for number in sorted(map(int, placeholders(known.text))):
        use = found.get(number)
        column = tables.column(use) if use else None
        name = (use.column or "") if use and column else use.kind if use and use.kind in ("limit", "offset") else ""
        name = name.lower() if _NAME.fullmatch(name.lower()) else f"p{number}"
        if name in taken:
            name = f"{name}_{number}"
        taken.add(name)
        slots.append(Slot(name, known.types[number - 1], use, column))
    return slots


def _usual(shape: Shape, slots: Sequence[Slot]) -> Mapping[str, str]:
    """Return what the log's calls had for LIMIT and OFFSET most often: a size of pages is no data of anybody's."""
    usual: dict[str, str] = {}
    if not as_recorded(shape, slots):
        return usual
    for number, slot in enumerate(slots, 1):
        if slot.use and slot.use.kind in ("limit", "offset"):
            seen = Counter(value for sample in shape.samples if (value := sample.get(number)) and value.isdigit())
            if seen:
                usual[slot.name] = seen.most_common(1)[0][0]
    return usual


def as_recorded(shape: Shape, slots: Sized) -> bool:
    """Return whether `slots`, the parameters in order, have the numbers of the samples: none was renumbered since."""
    return sorted(map(int, placeholders(shape.text))) == list(range(1, len(slots) + 1))


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def import_workload(
    server: Server,
    database: str,
    recorded: Sequence[Recorded],
    folder: Path,
    *,
    source: str,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Write the queries of `recorded` to `folder`, each tried on `database`, a copy in which all is rolled back.

    folder: empty; gets NAME.sql, draws/, classes.toml and mix.toml. source: where the statements come from, in words.
    Raises SubjectFailed when not one of them can be run.
    """
    shapes, left_out = shapes_of(recorded)
    work = _Import(server, database, folder, limits or Limits())
    questions = tuple(work.questions(shapes, progress))
    rest = sorted((*left_out, *work.rest.values()), key=lambda part: (-part.ms, -part.calls, part.reason))
    imported = Imported(source, str(folder), questions, tuple(rest))
    if not questions:
        raise SubjectFailed(f"no query of {source} can be run: {'; '.join(part.reason for part in rest[:3])}")
    write_mix(folder, imported)
    return imported
