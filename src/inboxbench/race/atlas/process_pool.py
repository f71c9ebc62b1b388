"""Explores cells in several processes, each with a database of its own: one interpreter keeps one core busy."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait

from inboxbench.database import connect, scratch_database
from inboxbench.errors import InboxbenchError, SubjectFailed
from inboxbench.lifetime import end_with_parent
from inboxbench.race.atlas.model import Cell, Family, explore_cell
from inboxbench.race.explore.model import Level
from inboxbench.race.explore.run import Explorer, open_explorer
from inboxbench.server import Server

_MOST_PROCESSES = 4
# A process costs as much to start as so many cells take.
_CELLS_WORTH_ONE = 12

# Returns all families of the project; called in each process, since functions do not travel between processes.
LoadFamilies = Callable[[], Sequence[Family]]


@dataclass(frozen=True, slots=True)
class CellKey:
    """A cell to be explored, by its names."""

    family: str
    entry: str
    level: Level


def explore_cells(
    server: Server, load: LoadFamilies, keys: Sequence[CellKey], report: Callable[[CellKey], None]
) -> list[Cell]:
    """Return the cells of `keys`, in their order. load: picklable. report: is called with each key when it begins."""
    families = load()
    workers = max(1, min(os.cpu_count() or 1, _MOST_PROCESSES, len(keys) // _CELLS_WORTH_ONE))
    with ExitStack() as stack:
        conninfos = [stack.enter_context(_built_database(server, families)) for _ in range(workers)]
        if workers == 1:
            explorer = stack.enter_context(open_explorer(conninfos[0]))
            return [_explored(explorer, families, key, report) for key in keys]
        pipes = [stack.enter_context(_worker(conninfo, load)) for conninfo in conninfos]
        return _share(pipes, keys, report)


@contextmanager
def _built_database(server: Server, families: Sequence[Family]) -> Iterator[str]:
    """Build a database with all families' tables: some families share them, and a table costs a millisecond."""
    with scratch_database(server, "atlas") as name:
        conninfo = server.conninfo(name)
        with closing(connect(conninfo)) as builder:
            builder.execute(";".join(filter(None, (family.script for family in families))).encode())
        yield conninfo


def _explored(
    explorer: Explorer,
    families: Sequence[Family],
    key: CellKey,
    report: Callable[[CellKey], None] = lambda _key: None,
) -> Cell:
    report(key)
    family = next(family for family in families if family.name == key.family)
    entry = next(entry for entry in family.entries if entry.name == key.entry)
    return explore_cell(explorer, family, entry, key.level)


def _share(pipes: Sequence[Pipe], keys: Sequence[CellKey], report: Callable[[CellKey], None]) -> list[Cell]:
    """Send each process a key, and the next one when it has answered."""
    waiting = list(enumerate(keys))[::-1]
    done: dict[int, Cell] = {}
    busy: dict[Pipe, int] = {}
    idle = list(pipes)
    while waiting or busy:
        while idle and waiting:
            number, key = waiting.pop()
            report(key)
            pipe = idle.pop()
            pipe.send(key)
            busy[pipe] = number
        for ready in wait(list(busy)):
            assert isinstance(ready, Pipe)
            done[busy.pop(ready)] = _answer(ready)
            idle.append(ready)
    return [done[number] for number in range(len(keys))]


def _answer(pipe: Pipe) -> Cell:
    try:
        answer = pipe.recv()
    except EOFError:
        raise SubjectFailed("a process that explores the atlas ended on its own; its error is above") from None
    if isinstance(answer, InboxbenchError):
        raise answer
    assert isinstance(answer, Cell)
    return answer


@contextmanager
def _worker(conninfo: str, load: LoadFamilies) -> Iterator[Pipe]:
    """Start a process that ends with the block, and also when this one is killed: then its pipe is closed."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(conninfo, load, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.terminate()
        process.join()


def _work(conninfo: str, load: LoadFamilies, pipe: Pipe) -> None:
    """Explore keys until the other end is closed."""
    end_with_parent()
    families = load()
    with open_explorer(conninfo) as explorer:
        while True:
            try:
                key = pipe.recv()
            except EOFError:
                return
            try:
                pipe.send(_explored(explorer, families, key))
            except InboxbenchError as error:
                pipe.send(error)
