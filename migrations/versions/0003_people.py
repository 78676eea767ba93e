"""The people whom identity providers have proved, or whom an operator has suspended.

Compatibility: the previous version runs on this schema, without looking at it: who is suspended is not barred by it.
The way back is refused while somebody is suspended, or decisions stand that were made by a provider's sign-in.
"""

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

revision = "0003"
down_revision = "0002"

# The audit log has the changes by operators and sign-ins. This table must not lose a person.
_NO_DELETE = ("people_no_delete", "DELETE", "", "people are kept")
_ONE_SUBJECT = ("people_stay_who_they_are", "UPDATE OF subject", "", "a person keeps the subject")
# A void vote must not count again.
_STAY_VOID = (
    "people_votes_stay_void",
    "UPDATE",
    "WHEN (OLD.votes_since IS NOT NULL AND (NEW.votes_since IS NULL OR NEW.votes_since < OLD.votes_since))",
    "votes that are void stay so",
)
# On SQLite, REPLACE deletes without a trigger on connections that have not turned recursive_triggers on.
_NO_REPLACE = (
    "people_no_replace",
    "INSERT",
    "WHEN EXISTS (SELECT 1 FROM people WHERE subject = NEW.subject)",
    "people are kept",
)


def upgrade() -> None:
    op.create_table(
        "people",
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("issuer", sa.String(length=64), nullable=True),
        sa.Column("groups", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("proved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("votes_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("suspended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("subject <> '' AND name <> ''", name=op.f("ck_people_names")),
        sa.CheckConstraint(
            "(issuer IS NULL) = (seen_at IS NULL) AND (issuer IS NULL) = (proved_at IS NULL)",
            name=op.f("ck_people_proof"),
        ),
        sa.CheckConstraint(
            "suspended_at IS NULL OR (votes_since IS NOT NULL AND votes_since >= suspended_at)",
            name=op.f("ck_people_suspended"),
        ),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_people")),
    )
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for name, event, when, why in (_NO_DELETE, _ONE_SUBJECT, _STAY_VOID, *([_NO_REPLACE] if is_sqlite else [])):
        does = (
            f"BEGIN SELECT RAISE(ABORT, '{why}'); END" if is_sqlite else f"EXECUTE FUNCTION rootquorum_refuse('{why}')"
        )
        op.execute(f"CREATE TRIGGER {name} BEFORE {event} ON people FOR EACH ROW {when} {does}")
    if not is_sqlite:
        op.execute(
            "CREATE TRIGGER people_no_truncate BEFORE TRUNCATE ON people FOR EACH STATEMENT "
            "EXECUTE FUNCTION rootquorum_refuse('people are kept')"
        )


def downgrade() -> None:
    bind = op.get_bind()
    suspended = bind.execute(sa.text("SELECT count(*) FROM people WHERE suspended_at IS NOT NULL")).scalar_one()
    signed_in = bind.execute(sa.text("SELECT count(*) FROM decisions WHERE credential LIKE 'oidc-%'")).scalar_one()
    if suspended or signed_in:
        raise CommandError(
            f"{suspended} people are suspended, and {signed_in} decisions were made by a provider's sign-in; 0002 "
            "knows of neither. So there is no way back."
        )
    op.drop_table("people")
