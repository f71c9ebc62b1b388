"""Progress and remarks, on stderr: results alone go to stdout, so that a pipe gets nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from inboxbench import units

if TYPE_CHECKING:  # numpy is loaded by those commands alone that make rows
    from inboxbench.seed import Step

progress_console = Console(stderr=True)
_LABELS = {"rows": "rows", "keys": "keys, indexes, statistics", "churn": "churn"}


@contextmanager
def counting() -> Iterator[Any]:
    """Show a bar, and yield the function that moves it: (done, total, what comes next)."""
    columns = (BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=progress_console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total, text: bar.update(task, completed=done, total=total or None, description=text)


class SeedProgress:
    """The bar of a load: rows, rows/s, MB/s and time left, then keys and indexes.

    A context manager; inside, call it with each Step of the load.
    """

    def __init__(self, console: Console = progress_console) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> SeedProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def _task(self, step: Step) -> TaskID:
        if step.stage not in self._tasks:
            label = _LABELS.get(step.stage, step.stage)
            self._tasks[step.stage] = self._bar.add_task(label, total=step.total, rate="")
        return self._tasks[step.stage]

    def __call__(self, step: Step) -> None:
        task = self._task(step)
        elapsed = self._bar.tasks[task].elapsed or 0.0
        rate = ""
        if step.octets and elapsed > 0.05:
            rate = f"{units.number(step.done / elapsed / 1e3)} k rows/s, {units.size(step.octets / elapsed)}/s"
        self._bar.update(task, completed=step.done, total=step.total, rate=rate)
