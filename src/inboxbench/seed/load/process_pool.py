"""Tasks done in this process or in several, all abandoned when one of them fails."""

from __future__ import annotations

import errno
import multiprocessing
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass

import psycopg

from inboxbench.errors import InboxbenchError, ServerError, UsageError
from inboxbench.seed.load import worker as work
from inboxbench.seed.load.task import Job, Task
from inboxbench.seed.load.worker import Done


@dataclass(frozen=True, slots=True)
class Crew:
    """`each` does tasks and yields them as they are done, in any order; `workers` is how many share them."""

    each: Callable[[list[Task]], Iterator[Done]]
    workers: int


@contextmanager
def runner(workers: int, job: Job) -> Iterator[Crew]:
    """This process, or several of this machine, that find what they share in the job's folder."""
    if workers == 1:
        with closing(work.Worker(job)) as worker:
            yield Crew(lambda tasks: _alone(worker, tasks), workers)
        return
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=work.start,
        initargs=(job,),
    )
    try:
        for _ in range(workers):  # they start and import while the outline is made
            pool.submit(work.warm)
        yield Crew(lambda tasks: _results(pool, tasks, workers), workers)
    except BaseException:
        _abandon(pool)
        raise
    else:
        pool.shutdown()


def _results(pool: ProcessPoolExecutor, tasks: list[Task], workers: int) -> Iterator[Done]:
    """In order of completion; few tasks wait in the queue, so that rows keep nearly their order of arrival."""
    waiting: set[Future[Done]] = set()
    left = iter(tasks)
    with _told():
        for task in left:
            waiting.add(pool.submit(work.run, task))
            if len(waiting) > workers:
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in finished)
        while waiting:
            finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in finished)


def _alone(worker: work.Worker, tasks: list[Task]) -> Iterator[Done]:
    with _told():
        yield from map(worker.run, tasks)


@contextmanager
def _told() -> Iterator[None]:
    """What ends a load, in one line that says what to do."""
    try:
        yield
    except BrokenProcessPool:
        raise InboxbenchError(
            "a seeding worker died (out of memory, or killed); the load is abandoned, nothing of it remains"
        ) from None
    except psycopg.errors.DiskFull as error:
        raise ServerError(f"the server's disk is full: {_line(error)}; make room, or use a smaller --scale") from None
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise ServerError(f"the connection to the server was lost while loading: {_line(error)}") from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UsageError(
            f"blocks cannot be written below {tempfile.gettempdir()}: {error.strerror}; make room, or set TMPDIR"
        ) from None


def _line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0]


def _abandon(pool: ProcessPoolExecutor) -> None:
    """End the workers now: what they are sending is going to be dropped."""
    processes = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(5)
