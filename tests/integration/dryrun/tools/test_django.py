"""A Django project on a copy: its own manage.py, up, to a migration, and down; nothing but the copy is reached."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from inboxbench.dryrun.rewrites.in_revision import RevisionTrial
from inboxbench.dryrun.rewrites.steps import Step
from inboxbench.dryrun.run import rehearse, run_segment, states_of
from inboxbench.dryrun.source import Source, copy_of
from inboxbench.dryrun.tools.django import Django, django
from inboxbench.errors import UsageError
from inboxbench.project import Project
from inboxbench.server import Server

pytest.importorskip("django")
MANAGE = """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop_settings")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""
SETTINGS = """
SECRET_KEY = "x"
INSTALLED_APPS = ["shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "HOST": "production.invalid", "NAME": "shop",
    "OPTIONS": {"sslmode": "require"}}, "other": {"ENGINE": "django.db.backends.sqlite3", "NAME": "x"}}
"""
HEAD = "from django.db import migrations, models\n\nclass Migration(migrations.Migration):\n"
FIRST = (
    HEAD
    + """    initial = True
    operations = [
        migrations.CreateModel("Order", [("id", models.BigAutoField(primary_key=True)), ("n", models.IntegerField())]),
        migrations.RunSQL("INSERT INTO shop_order (n) SELECT n FROM generate_series(1, 2000) n", "SELECT 1"),
    ]
"""
)
SECOND = (
    HEAD
    + """    dependencies = [("shop", "0001_initial")]
    operations = [
        migrations.AddIndex("order", models.Index(fields=["n"], name="order_n")),
    ]
"""
)


@pytest.fixture
def shop(tmp_path: Path) -> Django:
    files = {"manage.py": MANAGE, "shop_settings.py": SETTINGS, "shop/__init__.py": "",
             "shop/migrations/__init__.py": "", "shop/migrations/0001_initial.py": FIRST,
             "shop/migrations/0002_index.py": SECOND}  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return django(tmp_path, sys.executable, (), 120.0)


def test_to_a_migration_then_on_and_back(server: Server, project: Project, shop: Django) -> None:
    if not server.owned or server.kind == "container":
        pytest.skip("the observer reads the log of a server of our own on this machine")
    with copy_of(server, Source(), project) as copy:
        rehearse(server, copy.name, shop, source="nothing", begin=None, target="shop.0001_initial")
        assert states_of(server, copy.name, shop) == {"public.django_migrations": ["shop.0001_initial"]}
        file = shop.folder / "shop/migrations/0002_index.py"
        trial = RevisionTrial(server, copy.name, shop, "shop.0002_index")
        code = shop.render([Step('CREATE INDEX CONCURRENTLY "order_n" ON "shop_order" ("n")', alone=True)])
        assert not trial.obstacle(file, 6, code)
        assert trial.obstacle(file, 6, code.replace('"order_n"', '"m"')) == (
            "the revision ends with another index order_n of shop_order"
        )
        run = rehearse(server, copy.name, shop, source="nothing", begin=None, target="head")
        assert (run.error, [item.revision for item in run.revisions]) == (None, ["shop.0002_index"])
        (built,) = (item for item in run.statements if item.sql.startswith("CREATE INDEX"))
        assert (built.file, built.line, [scan.rows for scan in built.scans]) == (str(file), 6, [2000])
        back = run_segment(server, copy.name, shop, "base", downgrade=True)
        assert (back.error, [item.revision for item in back.revisions]) == (
            None, ["shop.0002_index", "shop.0001_initial"],
        )  # fmt: skip


def test_settings_that_need_something_and_a_folder_without_manage_py(shop: Django, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no manage\.py in .*; name its folder with --folder"):
        django(tmp_path / "shop", shop.python, (), 1.0)
    (tmp_path / "shop_settings.py").write_text(f"import os\nKEY = os.environ['SHOP_KEY']\n{SETTINGS}")
    with pytest.raises(UsageError, match=r"manage\.py does not say its migrations: KeyError: 'SHOP_KEY'; set the var"):
        shop.history(set())
