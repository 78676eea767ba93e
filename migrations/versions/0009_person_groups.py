"""The groups of people become rows, so that approvers by group are found without reading everybody. The audit head may
grow by several events at once.

Compatibility: the previous version runs on this schema. A trigger derives the rows from `people.words`, whichever
version writes them. It runs as the owner of the tables, so the service's role needs no new grant to write.
"""

import json
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_SQLITE = """
CREATE TRIGGER people_{event}_groups AFTER {event} {of}ON people FOR EACH ROW {when}BEGIN
    DELETE FROM person_groups WHERE subject = NEW.subject;
    INSERT INTO person_groups (subject, issuer, "group")
    SELECT DISTINCT NEW.subject, word.key, said.value
    FROM json_each(NEW.words) AS word, json_each(word.value, '$.groups') AS said;
END
"""

# pg_temp is searched last, since anybody may make temporary tables.
_POSTGRESQL = (
    """
CREATE FUNCTION rootquorum_list_groups() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM person_groups WHERE subject = NEW.subject;
    INSERT INTO person_groups (subject, issuer, "group")
    SELECT DISTINCT NEW.subject, word.key, said.value
    FROM jsonb_each(NEW.words::jsonb) AS word, jsonb_array_elements_text(word.value -> 'groups') AS said (value);
    RETURN NULL;
END $$
""",
    "CREATE TRIGGER people_insert_groups AFTER INSERT ON people FOR EACH ROW EXECUTE FUNCTION rootquorum_list_groups()",
    # Or any role could have it run on a table of its own.
    "REVOKE EXECUTE ON FUNCTION rootquorum_list_groups() FROM PUBLIC",
    """
CREATE TRIGGER people_update_groups AFTER UPDATE OF words ON people FOR EACH ROW WHEN (OLD.words <> NEW.words)
EXECUTE FUNCTION rootquorum_list_groups()
""",
)

# All events of a change are appended at once.
_COUNTS = ("audit_head_counts", "NEW.size <> OLD.size + 1", "the audit head counts by one")
_GROWS = ("audit_head_grows", "NEW.size <= OLD.size", "the audit head grows")


def upgrade() -> None:
    op.create_table(
        "person_groups",
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("issuer", sa.String(length=64), nullable=False),
        sa.Column("group", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("subject", "issuer", "group", name=op.f("pk_person_groups")),
    )
    op.create_index("ix_person_groups_issuer_group_subject", "person_groups", ["issuer", "group", "subject"])
    if op.get_bind().dialect.name == "sqlite":
        op.execute(_SQLITE.format(event="insert", of="", when=""))
        op.execute(_SQLITE.format(event="update", of="OF words ", when="WHEN OLD.words <> NEW.words "))
    else:
        for statement in _POSTGRESQL:
            op.execute(statement)
    _list_groups()
    _replace(_COUNTS, _GROWS)
    op.execute("DELETE FROM supported_revisions WHERE revision NOT IN ('0008')")
    op.execute("INSERT INTO supported_revisions (revision) VALUES ('0009')")


def _list_groups() -> None:
    """List the groups of the people known so far.

    Versions before 0008 wrote the newest word only into the older columns, so it is copied into `words` first.
    """
    bind = op.get_bind()
    people = sa.table(
        "people",
        sa.column("subject"),
        sa.column("issuer"),
        sa.column("groups"),
        sa.column("proved_at", sa.DateTime(timezone=True)),
        sa.column("words"),
    )
    groups = sa.table("person_groups", sa.column("subject"), sa.column("issuer"), sa.column("group"))
    for row in bind.execute(sa.select(people)).mappings().all():
        words = json.loads(row["words"])
        if row["issuer"] is not None:
            proved_at = _timestamp(row["proved_at"])
            if row["issuer"] not in words or words[row["issuer"]]["proved_at"] < proved_at:
                words[row["issuer"]] = {"groups": json.loads(row["groups"]), "proved_at": proved_at}
        written = json.dumps(words, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
        if written != row["words"]:
            # The trigger lists the groups.
            bind.execute(sa.update(people).where(people.c.subject == row["subject"]).values(words=written))
            continue
        listed = [
            {"subject": row["subject"], "issuer": issuer, "group": group}
            for issuer, word in words.items()
            for group in sorted(set(word["groups"]))
        ]
        if listed:
            bind.execute(sa.insert(groups), listed)


def _replace(old: tuple[str, str, str], new: tuple[str, str, str]) -> None:
    """Replace a trigger on the audit head: name, condition of a refusal, and its text."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    name, when, why = new
    op.execute(f"DROP TRIGGER {old[0]}{'' if is_sqlite else ' ON audit_head'}")
    does = f"BEGIN SELECT RAISE(ABORT, '{why}'); END" if is_sqlite else f"EXECUTE FUNCTION rootquorum_refuse('{why}')"
    op.execute(f"CREATE TRIGGER {name} BEFORE UPDATE ON audit_head FOR EACH ROW WHEN ({when}) {does}")


def _timestamp(at: datetime) -> str:
    """Format a time as the code does. SQLite returns it without a zone."""
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def downgrade() -> None:
    op.execute("DELETE FROM supported_revisions WHERE revision = '0009'")
    _replace(_GROWS, _COUNTS)
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for event in ("insert", "update"):
        op.execute(f"DROP TRIGGER people_{event}_groups{'' if is_sqlite else ' ON people'}")
    op.drop_table("person_groups")
    if not is_sqlite:
        op.execute("DROP FUNCTION rootquorum_list_groups()")
