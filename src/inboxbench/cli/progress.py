"""Progress and remarks, on stderr: results alone go to stdout, so that a pipe gets nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from inboxbench import units
from inboxbench.cli.console import SafeConsole
from inboxbench.migrate import session as events
from inboxbench.migrate.history import Revision

if TYPE_CHECKING:  # numpy is loaded by those commands alone that make rows
    from inboxbench.seed import Step

progress_console = SafeConsole(stderr=True)
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


class MigrationProgress:
    """A line per finished revision, and a bar with rate and time left for the backfill that runs.

    It listens to a migration, and is a context manager, because the bar is drawn over and over in one place.
    """

    def __init__(self, history: Iterable[Revision], console: Console = progress_console) -> None:
        self._slugs = {revision.revision: revision.slug for revision in history}
        self._console = console
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[figures]}"),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._rows: dict[str, int] = {}

    def __enter__(self) -> Self:
        self._bar.start()
        self._task = self._bar.add_task("migration", total=None, figures="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.StepStarted(revision, text):
                self._show(f"{revision} {text}", total=None)
            case events.LockRefused(revision, text, attempt, pause_s, blockers):
                self._refused(revision, text, attempt, pause_s, blockers)
            case events.Progress():
                self._batch(event)
            case events.RevisionApplied(revision, upgrade):
                self._applied(revision, upgrade)

    def _show(self, text: str, *, total: float | None, completed: float = 0, figures: str = "") -> None:
        assert self._task is not None
        self._bar.update(self._task, description=escape(text), total=total, completed=completed, figures=figures)

    def _batch(self, progress: events.Progress) -> None:
        figures = f"{progress.rows:,} rows, {units.rate(progress.rows_per_s)}, {units.seconds(progress.eta_s)} left"
        self._show(f"{progress.revision} {progress.name}", total=1.0, completed=progress.share, figures=figures)
        if progress.finished:
            self._rows[progress.name] = progress.rows

    def _refused(self, revision: str, text: str, attempt: int, pause_s: float, blockers: str) -> None:
        by = f" by {blockers}" if blockers else ""
        self._console.print(
            f"[yellow]{revision}[/] {escape(text)}: locked{escape(by)}, attempt {attempt}, "
            f"again in {units.seconds(pause_s)}"
        )

    def _applied(self, revision: str, upgrade: bool) -> None:
        mark = "[green]✓[/]" if upgrade else "[green]↩[/]"
        rows = f"  {sum(self._rows.values()):,} rows" if self._rows else ""
        self._console.print(f"{mark} {revision} {self._slugs.get(revision, '')}{rows}", highlight=False)
        self._rows = {}
