"""Processes that explore cells side by side, each in a database of its own: one interpreter keeps one core busy."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait

from inboxbench.database import connect, scratch_database
from inboxbench.errors import InboxbenchError, SubjectFailed
from inboxbench.messenger.races.catalogue import FAMILIES, find_families
from inboxbench.race.atlas.cell import Cell, explore_cell
from inboxbench.race.atlas.family import Level
from inboxbench.race.explore.run import Arena, open_arena
from inboxbench.server import Server

_MOST = 4
# A process costs as much to start as so many cells take.
_CELLS_WORTH_ONE = 12


@dataclass(frozen=True, slots=True)
class Square:
    """A cell to be explored, by its names: functions do not travel between processes."""

    family: str
    entry: str
    level: Level


def explore_squares(server: Server, squares: Sequence[Square], say: Callable[[Square], None]) -> list[Cell]:
    """The cells of `squares`, in their order. `say` is told of each when it is begun."""
    workers = max(1, min(os.cpu_count() or 1, _MOST, len(squares) // _CELLS_WORTH_ONE))
    with ExitStack() as stack:
        places = [stack.enter_context(_built_database(server)) for _ in range(workers)]
        if workers == 1:
            arena = stack.enter_context(open_arena(places[0]))
            return [_cell(arena, square, say) for square in squares]
        pipes = [stack.enter_context(_worker(conninfo)) for conninfo in places]
        return _share(pipes, squares, say)


@contextmanager
def _built_database(server: Server) -> Iterator[str]:
    """All families' tables: some families share them, and a table costs a millisecond."""
    with scratch_database(server, "atlas") as name:
        conninfo = server.conninfo(name)
        with closing(connect(conninfo)) as builder:
            builder.execute(";".join(filter(None, (family.script for family in FAMILIES))).encode())
        yield conninfo


def _cell(arena: Arena, square: Square, say: Callable[[Square], None] = lambda _square: None) -> Cell:
    say(square)
    (family,) = find_families([square.family])
    entry = next(entry for entry in family.entries if entry.name == square.entry)
    return explore_cell(arena, family, entry, square.level)


def _share(pipes: Sequence[Pipe], squares: Sequence[Square], say: Callable[[Square], None]) -> list[Cell]:
    """Whoever has done a square gets the next one."""
    waiting = list(enumerate(squares))[::-1]
    done: dict[int, Cell] = {}
    busy: dict[Pipe, int] = {}
    idle = list(pipes)
    while waiting or busy:
        while idle and waiting:
            number, square = waiting.pop()
            say(square)
            pipe = idle.pop()
            pipe.send(square)
            busy[pipe] = number
        for ready in wait(list(busy)):
            assert isinstance(ready, Pipe)
            done[busy.pop(ready)] = _answer(ready)
            idle.append(ready)
    return [done[number] for number in range(len(squares))]


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
def _worker(conninfo: str) -> Iterator[Pipe]:
    """A process that ends with the block, and also when this one is killed: then its pipe is closed."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(conninfo, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.terminate()
        process.join()


def _work(conninfo: str, pipe: Pipe) -> None:
    """Squares until the other end is closed. Ctrl-C is the parent's to hear: it ends us."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with open_arena(conninfo) as arena:
        while True:
            try:
                square = pipe.recv()
            except EOFError:
                return
            try:
                pipe.send(_cell(arena, square))
            except InboxbenchError as error:
                pipe.send(error)
