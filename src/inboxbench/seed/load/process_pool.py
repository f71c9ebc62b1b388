"""Blocks built by this process or by several, all abandoned when one of them fails; and other work in a process."""

from __future__ import annotations

import errno
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass

import psycopg

from inboxbench.errors import InboxbenchError, ServerError, UsageError
from inboxbench.lifetime import end_with_parent
from inboxbench.seed.load import worker as process
from inboxbench.seed.load.worker import Worker
from inboxbench.seed.row_source import Done, Job, Task


@dataclass(frozen=True, slots=True)
class WorkerPool:
    """run: does tasks and yields each as it is done, in any order; workers: how many share them."""

    run: Callable[[list[Task]], Iterator[Done]]
    workers: int


@contextmanager
def local_pool(workers: int, job: Job) -> Iterator[WorkerPool]:
    """Yield a pool of this process alone, or of `workers` processes that find what they share in the job's folder."""
    if workers == 1:
        with closing(Worker(job)) as worker:
            yield WorkerPool(lambda tasks: _alone(worker, tasks), workers)
        return
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=process.start,
        initargs=(job,),
    )
    try:
        for _ in range(workers):  # they start and import while the outline is made
            pool.submit(process.warm, job.source)
        yield WorkerPool(lambda tasks: _results(pool, tasks, workers), workers)
    except BaseException:
        _abandon(pool)
        raise
    else:
        pool.shutdown()


def _results(pool: ProcessPoolExecutor, tasks: list[Task], workers: int) -> Iterator[Done]:
    """In order of completion; few tasks wait in the queue, so that rows keep nearly their order of arrival."""
    waiting: set[Future[Done]] = set()
    left = iter(tasks)
    with _plain_errors():
        for task in left:
            waiting.add(pool.submit(process.run, task))
            if len(waiting) > workers:
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in finished)
        while waiting:
            finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in finished)


def _alone(worker: Worker, tasks: list[Task]) -> Iterator[Done]:
    with _plain_errors():
        yield from map(worker.run, tasks)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn what ends a load into an error of one line that says what to do."""
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
    for child in processes:
        child.terminate()
    for child in processes:
        child.join(5)


# --- other work ---------------------------------------------------------------------------------------------------


@contextmanager
def in_background(work: Callable[[], object], *, alone: bool = False) -> Iterator[None]:
    """Run `work`, which must pickle, in a process of its own while the block runs; it is done when the block ends.

    What fails there is done again here, so that its error is raised as if it had been done here from the start.
    With `alone`, on one processor, or where a process may have no children, it is done before the block.
    """
    if alone or len(os.sched_getaffinity(0)) == 1 or multiprocessing.current_process().daemon:
        work()
        yield
        return
    process = multiprocessing.get_context("spawn").Process(target=_quietly, args=(work,), daemon=True)
    process.start()
    try:
        yield
        process.join()
    finally:
        process.terminate()
        process.join()
    if process.exitcode != 0:
        work()


def _quietly(work: Callable[[], object]) -> None:
    """Errors are the parent's to show."""
    end_with_parent()
    with suppress(Exception):
        work()
        return
    sys.exit(1)
