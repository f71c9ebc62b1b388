"""The one server of a test run: started by the first test that needs it, stopped when the run ends."""

from __future__ import annotations

import atexit
import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from inboxbench.server import Server


@dataclass
class Place:
    """spec: what `--server` of the command line would say; setup, reset: scripts for tests that name none."""

    spec: str = field(default_factory=lambda: os.environ.get("INBOXBENCH_SERVER", "embedded"))
    setup: Path | None = None
    reset: Path | None = None
    _server: Server | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def server(self) -> Server:
        """Raises ServerError when it cannot be had."""
        if self._server is None:
            from inboxbench.server import open_server  # noqa: PLC0415 - a plugin is imported in every run

            self._server = self._stack.enter_context(open_server(self.spec))
            atexit.register(self.close)
        return self._server

    def close(self) -> None:
        """What was started is stopped; a server of somebody's own goes on."""
        self._server = None
        self._stack.close()


PLACE = Place()
