"""One contact per outside key.

What:   unique (account_id, external_id) on contacts, of rows that have one.
Why:    the key by which a customer's own system names its customer; two contacts with the same one split a history.
        Values that are there twice are resolved first: the oldest row keeps its own, the others' go to
        duplicate_resolutions. A duplicate that slips in while the index is built makes both steps run again.
        From here on old code that writes a duplicate gets an error instead.
Locks:  CONCURRENTLY: SHARE UPDATE EXCLUSIVE on contacts; reads and writes go on. What a failed build leaves
        behind is found and built anew.
Down:   drops the index, CONCURRENTLY too, and puts resolved values back.
"""

from inboxbench.migrate import online
from inboxbench.migrate.duplicates import UniqueValue, resolve_and_index, restore

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

phase = 4
ids = ("K2",)
kind = "index"

_UNIQUE = UniqueValue(
    index="contacts_account_external_id_key", table="contacts", scope="account_id", column="external_id"
)


def upgrade() -> None:
    resolve_and_index(online.session(revision), _UNIQUE)


def downgrade() -> None:
    db = online.session(revision)
    online.drop_index(db, _UNIQUE.index)
    restore(db, _UNIQUE)
