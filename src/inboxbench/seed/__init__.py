"""Seeds: skewed rows of a project's row source, the same for the same profile, seed and version, at COPY's speed."""

from inboxbench.seed.datasets.archive import export_dataset, import_dataset
from inboxbench.seed.datasets.dataset import load_dataset, seed_into
from inboxbench.seed.datasets.registry import Dataset, Stored, copy_dataset, list_datasets, remove_dataset
from inboxbench.seed.load.run import Progress, Step
from inboxbench.seed.load.target import left_loads, remove_load
from inboxbench.seed.profile import BaseProfile, load_profile, profile_names, read_profile, scaled
from inboxbench.seed.row_source import RowSource, project_row_source

__all__ = [
    "BaseProfile",
    "Dataset",
    "Progress",
    "RowSource",
    "Step",
    "Stored",
    "copy_dataset",
    "export_dataset",
    "import_dataset",
    "left_loads",
    "list_datasets",
    "load_dataset",
    "load_profile",
    "profile_names",
    "project_row_source",
    "read_profile",
    "remove_dataset",
    "remove_load",
    "scaled",
    "seed_into",
]
