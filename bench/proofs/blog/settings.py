"""Settings of the blog, whose database is what libpq's variables name."""

import os

SECRET_KEY = "of a proof"  # noqa: S105 - nobody logs in
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "blog"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ.get("PGDATABASE", ""),
        "USER": os.environ.get("PGUSER", ""),
        "HOST": os.environ.get("PGHOST", ""),
        "PORT": os.environ.get("PGPORT", ""),
    }
}
MIGRATION_MODULES = {"auth": None, "contenttypes": None, "sessions": None}  # made as the blog is, in one go
