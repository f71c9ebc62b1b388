"""Seeds: skewed, bilingual data, the same for the same profile, seed and version, at the speed of COPY."""

from inboxbench.seed.archive import export_dataset, import_dataset
from inboxbench.seed.dataset import load_dataset, seed_into
from inboxbench.seed.kept import GENERATOR, Dataset, Stored, copy_dataset, list_datasets, remove_dataset
from inboxbench.seed.load import Progress, Step
from inboxbench.seed.profile import Profile, load_profile, profile_names, scaled

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
