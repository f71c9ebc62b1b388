"""A migration on stderr: a line per finished revision, a bar with rate and ETA for the backfill that runs."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TaskProgressColumn, TextColumn

from inboxbench.cli.progress import progress_console
from inboxbench.migrate import session as events
from inboxbench.migrate.history import Revision
from inboxbench.units import rate, seconds


class MigrationProgress:
    """Listener of a migration; a context manager, because the bar is drawn over and over in one place."""

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
        figures = f"{progress.rows:,} rows, {rate(progress.rows_per_s)}, {seconds(progress.eta_s)} left"
        self._show(f"{progress.revision} {progress.name}", total=1.0, completed=progress.share, figures=figures)
        if progress.finished:
            self._rows[progress.name] = progress.rows

    def _refused(self, revision: str, text: str, attempt: int, pause_s: float, blockers: str) -> None:
        by = f" by {blockers}" if blockers else ""
        self._console.print(
            f"[yellow]{revision}[/] {escape(text)}: locked{escape(by)}, attempt {attempt}, again in {seconds(pause_s)}"
        )

    def _applied(self, revision: str, upgrade: bool) -> None:
        mark = "[green]✓[/]" if upgrade else "[green]↩[/]"
        rows = f"  {sum(self._rows.values()):,} rows" if self._rows else ""
        self._console.print(f"{mark} {revision} {self._slugs.get(revision, '')}{rows}", highlight=False)
        self._rows = {}
