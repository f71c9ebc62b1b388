"""Runs the tests of Django on the explorer's connections with each version of Django that is supported.

    make prove-orms ARGS="[VERSION …]"

Each version is laid over the project's environment by `uv run --with`, which downloads it. Exit code 1 when the tests
fail with one of them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

VERSIONS = ("4.2", "5.0", "5.1", "5.2")
ROOT = Path(__file__).parents[2]
TESTS = "tests/integration/race/test_django_engine.py"


def passes(version: str) -> bool:
    """Run the tests with the newest patch of `version`, and print what pytest says last."""
    command = ["uv", "run", "--no-sync", "--with", f"django=={version}.*", "python", "-m", "pytest", "-q", TESTS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    sys.stdout.write(f"Django {version}: {(done.stdout or done.stderr).strip().splitlines()[-1]}\n")
    return done.returncode == 0


if __name__ == "__main__":
    results = [passes(version) for version in sys.argv[1:] or VERSIONS]
    sys.exit(not all(results))
