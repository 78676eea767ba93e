"""What each identity provider says of somebody's groups, apart from the others; and how a claim is spelled whose
lower-case form was taken for the subject.

Compatibility: the previous version runs on this schema. It writes down the word of the provider that was asked last,
and this one reads that as well. It goes on reading claims in lower case: somebody whose claim has capitals, and who
signs in for the first time at both versions while they run side by side, is two people. Where claims have capitals,
stop the previous version before this one is started. The way back is refused when somebody is known by a subject with
capitals.
"""

import json
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

revision = "0008"
down_revision = "0007"

_WHY = "a person keeps the spelling"


def upgrade() -> None:
    op.add_column("people", sa.Column("words", sa.Text(), nullable=False, server_default="{}"))
    # Empty for existing people, and for people whom the previous version still adds.
    op.add_column("people", sa.Column("spelling", sa.String(length=255), nullable=True, server_default=""))
    _copy_words()
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    changed = "IS NOT" if is_sqlite else "IS DISTINCT FROM"
    does = f"BEGIN SELECT RAISE(ABORT, '{_WHY}'); END" if is_sqlite else f"EXECUTE FUNCTION rootquorum_refuse('{_WHY}')"
    op.execute(
        "CREATE TRIGGER people_keep_their_spelling BEFORE UPDATE ON people FOR EACH ROW "
        f"WHEN (OLD.spelling {changed} NEW.spelling AND OLD.spelling {changed} '') {does}"
    )
    op.execute("DELETE FROM supported_revisions WHERE revision NOT IN ('0007')")
    op.execute("INSERT INTO supported_revisions (revision) VALUES ('0008')")


def _copy_words() -> None:
    """Keep the word of one provider when the previous version stores that of another."""
    bind = op.get_bind()
    people = sa.table(
        "people",
        sa.column("subject"),
        sa.column("issuer"),
        sa.column("groups"),
        sa.column("proved_at", sa.DateTime(timezone=True)),
        sa.column("words"),
    )
    rows = bind.execute(
        sa.select(people.c.subject, people.c.issuer, people.c.groups, people.c.proved_at).where(
            people.c.issuer.is_not(None)
        )
    ).all()
    for subject, issuer, groups, proved_at in rows:
        word = {"groups": json.loads(groups), "proved_at": _timestamp(proved_at)}
        bind.execute(
            sa.update(people)
            .where(people.c.subject == subject)
            .values(words=json.dumps({issuer: word}, separators=(",", ":"), ensure_ascii=False))
        )


def _timestamp(at: datetime) -> str:
    """Format a time as the code does. SQLite returns it without a zone."""
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def downgrade() -> None:
    query = "SELECT count(*) FROM people WHERE subject <> lower(subject) AND subject NOT LIKE '%#%'"
    capitals = op.get_bind().execute(sa.text(query)).scalar_one()
    if capitals:
        raise CommandError(
            f"{capitals} people are known by a subject with capitals; 0007 would take them for others, who could vote "
            "once more. So there is no way back."
        )
    op.execute("DELETE FROM supported_revisions WHERE revision = '0008'")
    op.execute("DROP TRIGGER people_keep_their_spelling" + _on_people())
    op.drop_column("people", "spelling")
    op.drop_column("people", "words")


def _on_people() -> str:
    return "" if op.get_bind().dialect.name == "sqlite" else " ON people"
