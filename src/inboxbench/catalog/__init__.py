"""What a live database is made of, in a form that can be compared, hashed and written down as SQL.

``read_catalog`` describes a schema object by object; ``compare`` and ``explain`` say how two descriptions
differ; ``render`` writes one down as the SQL that builds it (``schema/head.sql``).
"""

from inboxbench.catalog.model import BOOKKEEPING, STRUCTURE, Catalog, Difference, Entry, Kind, compare, explain, render
from inboxbench.catalog.read import extensions, invalid_indexes, read_catalog

__all__ = [
    "BOOKKEEPING",
    "STRUCTURE",
    "Catalog",
    "Difference",
    "Entry",
    "Kind",
    "compare",
    "explain",
    "extensions",
    "invalid_indexes",
    "read_catalog",
    "render",
]
