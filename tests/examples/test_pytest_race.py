"""examples/pytest_race: the racy function fails with the schedule that its README shows, the right one passes."""

from __future__ import annotations

import os
import subprocess
import sys

from inboxbench.project import Project
from inboxbench.server import Server


def test_the_racy_function_fails_with_its_schedule(server: Server, project: Project) -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--inboxbench-server", server.url("postgres")]
    folder = project.root / "examples" / "pytest_race"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    done = subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 1 passed" in done.stdout
    assert "22 of 24 possible schedules of 2 sessions at READ COMMITTED break it" in done.stdout
    assert "Schedule: ABBBBAAA" in done.stdout
    assert "FAILED test_booking.py::test_no_seat_is_sold_twice[sell_seen_free]" in done.stdout
