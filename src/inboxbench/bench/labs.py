"""The labs of `inboxbench bench`: how the JSON of each is shown. Their JSON Schemas are the files of `schemas/`."""

from __future__ import annotations

from inboxbench.bench.decay_lab import decay_lab
from inboxbench.bench.drop_one import drop_one_lab
from inboxbench.bench.growth.run import growth_lab
from inboxbench.bench.load import load_lab
from inboxbench.bench.traps import traps_lab
from inboxbench.bench.upgrade import upgrade_lab
from inboxbench.extensions import extension
from inboxbench.project import Project
from inboxbench.report.document import Labs

LABS: Labs = {
    "traps": traps_lab,
    "decay": decay_lab,
    "drop_one": drop_one_lab,
    "growth": growth_lab,
    "load": load_lab,
    "contrast": upgrade_lab,
}


def project_labs(project: Project) -> Labs:
    """Return LABS and those that the project names in `[tool.inboxbench] labs`."""
    return {**LABS, **(extension(project, "labs") or {})}
