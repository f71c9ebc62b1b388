"""The migration tools that a dry run can work with; `base.py` is the seam that each of them fits."""

from inboxbench.dryrun.tools.alembic import Alembic
from inboxbench.dryrun.tools.base import Tool

TOOLS: tuple[Tool, ...] = (Alembic(),)
