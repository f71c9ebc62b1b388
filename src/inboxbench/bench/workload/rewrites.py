"""A query written in another way, as a member of an index set: the same question, measured with the same values.

Its rows are compared with those of the query as it stands, like the rows of any other set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from inboxbench.bench.workload.queries import Case
from inboxbench.errors import UsageError, unknown
from inboxbench.files import read_text
from inboxbench.sqlfile import QueryFile, parse_rewrite


def check_rewrites(rewrites: Mapping[str, str], queries: Sequence[QueryFile], where: str) -> None:
    """Read each file of `rewrites`, which are by the query's name. Raises UsageError for one that is no query here, and
    for a file that does not fit its query."""
    known = {query.name: query for query in queries}
    for name, file in rewrites.items():
        if name not in known:
            raise unknown("query", name, known, where=f"{where} queries")
        if not Path(file).is_file():
            raise UsageError(f"{where} queries: {name}: there is no file {file}; its path begins where the sets lie")
        _rewritten(known[name].path, file, tuple(known[name].params.items()))


def rewritten(case: Case, rewrites: Mapping[str, str]) -> Case:
    """Return the case with the text that a set puts in its place, or as it is."""
    if case.query.name not in rewrites:
        return case
    query = case.query
    text, names = _rewritten(query.path, rewrites[query.name], tuple(query.params.items()))
    params = {name: kind for name, kind in query.params.items() if name in names}
    values = {name: value for name, value in case.values.items() if name in names}
    return replace(case, query=replace(query, text=text, params=params), values=values)


@lru_cache(1024)
def _rewritten(_query: Path, file: str, params: tuple[tuple[str, str], ...]) -> tuple[str, tuple[str, ...]]:
    path = Path(file)
    return parse_rewrite(path, read_text(path), dict(params))
