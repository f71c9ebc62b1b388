"""Seeds: skewed, bilingual data, the same for the same profile, seed and version, at the speed of COPY."""

from inboxbench.messenger.data.profile import Profile, load_profile, profile_names, scaled
from inboxbench.seed.datasets.archive import export_dataset, import_dataset
from inboxbench.seed.datasets.dataset import load_dataset, seed_into
from inboxbench.seed.datasets.registry import GENERATOR, Dataset, Stored, copy_dataset, list_datasets, remove_dataset
from inboxbench.seed.load.run import Progress, Step

__all__ = [
    "GENERATOR",
    "Dataset",
    "Profile",
    "Progress",
    "Step",
    "Stored",
    "copy_dataset",
    "export_dataset",
    "import_dataset",
    "list_datasets",
    "load_dataset",
    "load_profile",
    "profile_names",
    "remove_dataset",
    "scaled",
    "seed_into",
]
