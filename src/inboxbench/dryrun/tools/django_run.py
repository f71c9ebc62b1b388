"""Runs in a project's own Python: its manage.py, with every database of its settings replaced by the copy.

Nothing of inboxbench is imported here. Arguments: migrate, plan, up or down, and the target of the last two.
"""

import importlib.machinery
import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any, cast

WAY, TARGET = sys.argv[1:3]
COPY = json.loads(os.environ["INBOXBENCH_COPY"])
PASTED = json.loads(os.environ.get("INBOXBENCH_PASTED", "{}"))  # path of a migration → text in its place
_SESSION = ("service", "passfile", "sslmode", "pool", "options", "host", "port", "dbname", "user", "password")


def settings_of_copy() -> None:
    """Have all aliases lead to the copy: a migration that uses another alias must not reach the project's server."""
    from django.conf import Settings  # noqa: PLC0415 - of the project

    original = Settings.__init__

    def replaced(self: Any, module: str) -> None:
        original(self, module)
        databases = getattr(self, "DATABASES", None) or {"default": {}}
        self.DATABASES = {alias: of_copy(database) for alias, database in databases.items()}

    cast("Any", Settings).__init__ = replaced


def of_copy(database: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a database with the copy's place."""
    engine = database.get("ENGINE", "")
    known = any(word in engine for word in ("postgres", "postgis"))
    options = {key: value for key, value in database.get("OPTIONS", {}).items() if key not in _SESSION}
    kept = {**database, **COPY, "OPTIONS": options if known else {}, "TEST": {}}
    return {**kept, "ENGINE": engine if known else "django.db.backends.postgresql"}


def code_of_pasted() -> None:
    """Have a migration that is tried imported in place of the file, which nobody touches."""
    loader: Any = importlib.machinery.SourceFileLoader
    original = loader.get_code

    def replaced(self: Any, name: str) -> Any:
        text = PASTED.get(os.path.realpath(self.path))
        return original(self, name) if text is None else compile(text, self.path, "exec")

    loader.get_code = replaced


def full_plan(loader: Any) -> list[Any]:
    """Return all migrations in the order in which Django would apply them to an empty database."""
    keys = dict.fromkeys(key for leaf in loader.graph.leaf_nodes() for key in loader.graph.forwards_plan(leaf))
    return [loader.graph.nodes[key] for key in keys]


def handle(_self: Any, *_args: Any, **_options: Any) -> None:
    """Do what the arguments say, in place of `manage.py migrate`."""
    from django.db import connections  # noqa: PLC0415 - of the project
    from django.db.migrations.executor import MigrationExecutor  # noqa: PLC0415 - of the project
    from django.db.migrations.loader import MigrationLoader  # noqa: PLC0415 - of the project

    if WAY == "plan":
        plan = full_plan(MigrationLoader(None))
        files = [sys.modules[type(migration).__module__].__file__ for migration in plan]
        listed = [[str(migration), file] for migration, file in zip(plan, files)]  # noqa: B905 - Python 3.9, too
        sys.stdout.write(f"\nINBOXBENCH {json.dumps(listed)}\n")
        return
    executor = MigrationExecutor(connections["default"])
    plan, done = full_plan(executor.loader), executor.loader.applied_migrations
    names = [str(migration) for migration in plan]
    if TARGET not in (*names, "base"):
        sys.exit(f"error: no migration {TARGET}; write APP.NAME, such as {names[-1]}")
    place = names.index(TARGET) + 1 if TARGET in names else 0
    back = WAY == "down"
    chosen = list(reversed(plan[place:])) if back else plan[:place]
    steps = [(item, back) for item in chosen if ((item.app_label, item.name) in done) == back]
    if steps:
        executor.migrate([], plan=steps)


def main() -> None:
    """Run manage.py."""
    sys.path[0] = str(Path.cwd())  # not this folder
    settings_of_copy()
    if PASTED:
        code_of_pasted()
    if WAY != "migrate":
        from django.core.management.commands.migrate import Command  # noqa: PLC0415 - of the project

        Command.handle = handle
    sys.argv = ["manage.py", "migrate", "--noinput", "--no-color"]
    runpy.run_path("manage.py", run_name="__main__")


main()
