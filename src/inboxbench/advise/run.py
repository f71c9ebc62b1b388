"""The job: candidates of a workload, the search on one copy, the last check, and the advice that comes out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal

from inboxbench.advise.candidates import candidates_of
from inboxbench.advise.check import Times, compare_times
from inboxbench.advise.copy import WorkCopy
from inboxbench.advise.foreign_keys import foreign_key_candidates, only_served_by
from inboxbench.advise.model import Candidate, Need, Trial
from inboxbench.advise.needs import needs_of
from inboxbench.advise.objective import Objective
from inboxbench.advise.result import (
    Advice,
    Dropped,
    Refused,
    Stopped,
    checked,
    chosen_indexes,
    query_changes,
    standing,
)
from inboxbench.advise.search import Limits, OutOfTimeError, Progress, Search
from inboxbench.advise.sources import (
    existing_candidates,
    merged,
    needs_of_plan,
    with_existing,
)
from inboxbench.advise.tables import Facts
from inboxbench.bench.cache.outcomes import Cache, conditions_of
from inboxbench.bench.execute.session import Probes
from inboxbench.bench.request import TIMEOUT_S, Request, prepared_request
from inboxbench.bench.sets.indexset import IndexSet
from inboxbench.bench.verdict.pareto import WAL_PER_PAGE
from inboxbench.bench.workload.mix import DEFAULT, Mix, Weights, mixed
from inboxbench.bench.workload.queries import Case, ParameterClass
from inboxbench.database import connect, scratch_database
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.project import Project
from inboxbench.server import Server

Keep = Literal["unique", "all"]
_UNTRIED = "the search ended before it was tried"
_BUILDING = "256MB"  # of memory, for an index that is built
_WRITES = 5  # executions of a write that are measured, of different rows


@dataclass(frozen=True, slots=True)
class Asked:
    """The request for an advice. weights: of the mix (None: the default one). bytes: of all secondary indexes; wal:
    times what a write writes today; seconds: of the search. keep: `unique` for rules alone, `all` for every index that
    there is. check: compare the processor time at the end."""

    weights: Weights | None = None
    bytes: int | None = None
    wal: float | None = None
    seconds: float | None = None
    keep: Keep = "unique"
    check: bool = True
    timeout_s: float = TIMEOUT_S
    wal_page: float = WAL_PER_PAGE
    writes: bool = True


def advise(
    server: Server,
    source: str,
    project: Project,
    asked: Asked,
    *,
    queries: Sequence[str] | None = None,
    role: str | None = None,
    as_is: bool = False,
    cache: Cache | None = None,
    caveats: Sequence[str] = (),
    progress: Progress | None = None,
) -> Advice:
    """Search the index set for the project's queries on copies of `source`, which is never written.

    Raises UsageError for a budget that nothing fits into and for a workload without queries, SubjectFailed when no
    query can be executed. Ctrl-C and a spent time budget end the search, not the advice.
    """
    begun = time.monotonic()
    with prepared_request(
        server, source, project, sets=[], queries=queries, writes=asked.writes, timeout_s=asked.timeout_s,
        as_is=as_is, role=role, caveats=caveats, progress=progress,
    ) as request:  # fmt: skip
        cases = (*request.workload.cases, *_write_cases(request))
        if not cases:
            reasons = f": {request.workload.skipped[0]}" if request.workload.skipped else ""
            raise UsageError(f"there is no query to advise on{reasons}; name a folder that has some with --queries DIR")
        with _copy(server, request, cases, asked, cache, progress) as copy:
            job = _Job(server, request, copy, asked, progress)
            return replace(job.run(), seconds=time.monotonic() - begun)


def _write_cases(request: Request) -> Iterator[Case]:
    """Yield the writes of the project as cases: a few rows each, as its targets say."""
    for write in request.writes:
        for number, row in enumerate(request.targets[write.classes[0]][:_WRITES], 1):
            kind = ParameterClass(f"row {number}", f"row {number} of its targets", ())
            yield Case(write, kind, {name: row[name] for name in write.params})


@contextmanager
def _copy(  # noqa: PLR0917
    server: Server,
    request: Request,
    cases: Sequence[Case],
    asked: Asked,
    cache: Cache | None,
    progress: Progress | None,
) -> Iterator[WorkCopy]:
    conditions = conditions_of(cache, server, request, 1) if cache else {}
    with (
        scratch_database(server, "advise", request.template) as name,
        connect(server.conninfo(name), maintenance_work_mem=_BUILDING) as connection,
        Probes(server, name, asked.timeout_s, request.role) as probes,
    ):
        copy = WorkCopy(request, connection, probes, Facts.of(connection), cases,
                        cache.store if cache else None, conditions, asked.wal_page)  # fmt: skip
        if progress:
            copy.announce = lambda text: progress(0, 0, f"building {text}")
        yield copy


@dataclass(slots=True)
class _Job:
    server: Server
    request: Request
    copy: WorkCopy
    asked: Asked
    progress: Progress | None
    _worths: dict[str, float] = field(default_factory=dict)

    def run(self) -> Advice:
        facts, request = self.copy.facts, self.request
        objective = Objective(self._mix(), self.copy.cases)
        nothing = self.copy.tried(())
        self._require_answers(nothing)
        needs = self._needs()
        existing = existing_candidates(request.current.indexes, facts)
        present = self.copy.tried(existing, nothing)
        made = [*candidates_of(needs, facts), *foreign_key_candidates(self._texts(), facts), *merged(existing)]
        candidates = with_existing(made, existing, facts)
        kept = tuple(existing) if self.asked.keep == "all" else ()
        limits = self._limits(objective.wal(present), kept, present)
        search = Search(self.copy, objective, candidates, needs, limits, kept, self.progress)
        stopped = self._searched(search, present)
        if stopped:
            self._spare_untried(search, existing, present)
        self._serve_foreign_keys(search, existing)
        best = search.best
        changes = query_changes(present, best, objective)
        times = None if stopped == "interrupted" or not self.asked.check else self._times(best)
        return Advice(
            profile=request.profile,
            mix=objective.mix.text,
            nothing=standing(nothing, objective),
            present=standing(present, objective),
            advised=standing(best, objective),
            indexes=chosen_indexes(best, objective, self._worths),
            dropped=self._dropped(existing, best, search, present),
            queries=checked(changes, times.by_query) if times else changes,
            refused=tuple(self._refused(candidates, best, search)),
            keep=self.asked.keep,
            clock=times.clock if times else "",
            stopped=stopped,
            tried=self.copy.sets,
            built=self.copy.built,
            executed=self.copy.executed,
            reused=self.copy.reused,
            failures=self._failures(best),
            notes=request.notes,
            caveats=request.caveats,
        )

    def _mix(self) -> Mix:
        weights = DEFAULT if self.asked.weights is None else self.asked.weights
        queries = [(query.name, query.family) for query in self.request.workload.queries]
        return mixed(weights, queries, [(write.name, write.family) for write in self.request.writes])

    def _texts(self) -> dict[str, str]:
        return {case.query.name: case.query.prepared for case in self.copy.cases}

    def _needs(self) -> dict[str, list[Need]]:
        """Return what each query asks of its tables, by its text and by its plans."""
        facts, names = self.copy.facts, self.copy.facts.spelled_names()
        needs = {name: list(needs_of(text, facts.columns)) for name, text in self._texts().items()}
        for case, root in self.copy.roots():
            for need in needs_of_plan(root, names, facts):
                if need not in needs[case.query.name]:
                    needs[case.query.name].append(need)
        return needs

    def _require_answers(self, nothing: Trial) -> None:
        failed = [f"{name}: {found.failure}" for name, found in nothing.outcomes.items() if found.failure]
        if len(failed) == len(nothing.outcomes):
            raise SubjectFailed(f"no query can be executed, so there is nothing to advise on: {failed[0]}")

    def _limits(self, wal: float | None, kept: Sequence[Candidate], present: Trial) -> Limits:
        size, factor = self.asked.bytes, self.asked.wal
        if factor is not None and wal is None:
            raise UsageError("--budget-wal: nothing in the workload writes, so there is no WAL to limit; leave it out")
        if size is not None and kept and present.bytes > size:
            raise UsageError(
                f"--budget-bytes: the indexes that --keep all keeps take {present.bytes:,} bytes already, and "
                f"{size:,} are allowed; keep `unique` or allow more"
            )
        limit = None if factor is None or wal is None else factor * wal
        return Limits(size, limit, self.asked.seconds)

    def _searched(self, search: Search, present: Trial) -> Stopped:
        search.begin()
        try:
            search.run()
            if search.consider(present):
                search.remove()
            self._weigh(search)
        except OutOfTimeError:
            return "time budget"
        except KeyboardInterrupt:
            return "interrupted"
        return ""

    def _spare_untried(self, search: Search, existing: Sequence[Candidate], present: Trial) -> None:
        """Keep the indexes of the database that a search which was ended had not come to, and all of them where the
        best set so far costs more: nobody shall drop what was not tried."""
        best = search.best
        untried = [each for each in existing if each not in best.candidates and each.name not in search.refused]
        search.stand(self.copy.tried((*best.candidates, *untried), best))
        search.consider(present, bounded=False)

    def _serve_foreign_keys(self, search: Search, existing: Sequence[Candidate]) -> None:
        """Keep what alone serves a foreign key, unless it does not fit the budgets."""
        lost = only_served_by(existing, search.best.candidates, self.copy.facts)
        if not lost:
            return
        trial = self.copy.tried((*search.best.candidates, *lost), search.best)
        if search.fits(trial):
            search.stand(trial)
            self._worths |= dict.fromkeys((candidate.name for candidate in lost), 0.0)
        else:
            why = "over budget; a delete from the table that its foreign key refers to reads the whole table without it"
            search.refused |= dict.fromkeys((candidate.name for candidate in lost), why)

    def _weigh(self, search: Search) -> None:
        """Note what each index of the set is worth: what a request costs more without it."""
        best = search.best
        cost = search.objective.cost(best)
        for candidate in best.candidates:
            trial = self.copy.tried(best.without(candidate), best)
            self._worths[candidate.name] = search.objective.cost(trial) - cost

    def _times(self, best: Trial) -> Times | None:
        indexes = tuple(candidate.index for candidate in best.candidates)
        if {index.key for index in indexes} == {index.key for index in self.request.current.indexes}:
            return None
        advised = IndexSet("advised", "the advised set", "", indexes)
        cases = [
            case for case in self.copy.cases
            if not case.query.changes_rows and not best.outcomes[case.name].failure
        ]  # fmt: skip
        return compare_times(self.server, self.request, [self.request.current, advised], cases, self._announce)

    def _announce(self, text: str) -> None:
        if self.progress:
            self.progress(0, 0, f"check: {text}")

    def _dropped(
        self, existing: Sequence[Candidate], best: Trial, search: Search, present: Trial
    ) -> tuple[Dropped, ...]:
        chosen = {candidate.name for candidate in best.candidates}
        return tuple(
            Dropped(
                candidate.name,
                candidate.definition,
                present.sizes.get(candidate.name, 0),
                search.refused.get(candidate.name) or _alike(candidate, existing) or _UNTRIED,
            )
            for candidate in existing
            if candidate.name not in chosen
        )

    @staticmethod
    def _refused(candidates: Sequence[Candidate], best: Trial, search: Search) -> Iterator[Refused]:
        chosen = {candidate.name for candidate in best.candidates}
        for candidate in candidates:
            if candidate.existing is None and candidate.name not in chosen:
                why = search.refused.get(candidate.name, _UNTRIED)
                yield Refused(candidate.name, candidate.definition, why)

    def _failures(self, best: Trial) -> tuple[str, ...]:
        return tuple(f"{name}: {found.failure}" for name, found in best.outcomes.items() if found.failure)


def _alike(candidate: Candidate, existing: Sequence[Candidate]) -> str | None:
    """Return what to say of an index that is the same as an earlier one of the database."""
    first = next((other for other in existing if other.identity == candidate.identity), candidate)
    return None if first is candidate else f"it is the same as {first.name}"
