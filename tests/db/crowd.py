"""A database as it is after years: 100,000 requests, of which some hundreds are not finished."""

from contextlib import closing

from sqlalchemy import Engine, text

from service.db.engine import begin

REQUESTS = 100_000

# The words of each engine: the numbers themselves, one with leading zeros, and a time that many minutes after New Year.
_WORDS = {
    "postgresql": {
        "numbers": "numbers(n) AS (SELECT generate_series(1, {requests}))",
        "id": "lpad(n::text, 36, '0')",
        "account": "lpad((n % 400)::text, 12, '0')",
        "at": "timestamptz '2020-01-01' + n * interval '1 minute'",
        "yes": "true",
        "no": "false",
    },
    "sqlite": {
        "numbers": "RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {requests})",
        "id": "printf('%036d', n)",
        "account": "printf('%012d', n % 400)",
        "at": "strftime('%Y-%m-%d %H:%M:%S.000000', '2020-01-01', '+' || n || ' minutes')",
        "yes": "1",
        "no": "0",
    },
}

_OBSERVED = (
    '{"keys":[],"mfa_enabled":true,"observed_at":"2020-01-01T00:00:00.000000Z","password_present":null,'
    '"signer_key_id":null,"signing_certificates_present":null}'
)

_REQUESTS = """
    WITH {numbers}, told AS (
        SELECT n,
            CASE n % 1000 WHEN 0 THEN 'pending' WHEN 1 THEN 'approved' WHEN 2 THEN 'delivered' WHEN 3 THEN 'in_doubt'
                ELSE CASE WHEN n % 40017 = 4 THEN 'executing' WHEN n % 2 = 0 THEN 'rejected' ELSE 'succeeded' END
            END AS status,
            CASE WHEN n % 1000 = 2 OR (n % 9 = 5 AND n % 1000 > 4) THEN 'create_access_key'
                WHEN n % 10000 = 7 THEN 'deactivate_mfa_device' ELSE 'delete_access_key'
            END AS operation,
            {at} AS at
        FROM numbers
    ), lived AS (
        SELECT *,
            status IN ('approved', 'delivered', 'in_doubt', 'executing', 'succeeded') AS was_approved,
            status IN ('delivered', 'in_doubt', 'executing', 'succeeded') AS was_claimed,
            status IN ('delivered', 'succeeded') AS was_settled
        FROM told
    )
    INSERT INTO requests (
        id, account_id, operation, target, requester, requester_kind, recipient, justification, ticket,
        run_on_approval, accept_lockout, quorum, filed_at, approve_by, execution_window_seconds,
        receipt_window_seconds, rollback_grace_seconds, lifetime_seconds, observed, digest, status, version,
        idempotency_key, idempotency_hash, approved_at, execute_by, claimed_at, claimed_by, known_key_ids,
        result_code, result_detail, result_access_key_id, settled_at, receipt_by, received_at, expires_at, retired_at,
        ended_at
    )
    SELECT {id}, {account}, operation, CASE operation WHEN 'create_access_key' THEN '' ELSE 'AKIA' || n END,
        CASE WHEN n IN (7, 35007, 70007) THEN 'seldom' WHEN n % 2 = 0 THEN 'busy' ELSE 'person' || (n % 97) END,
        'person',
        CASE WHEN n IN (8, 40008, 75008) THEN 'seldom' ELSE 'other' || (n % 89) END,
        'Because.', CASE WHEN n IN (9, 45009) THEN 'OPS-1' WHEN n % 5 = 0 THEN 'OPS-' || n END,
        CASE WHEN status = 'approved' AND n % 2 = 1 AND operation <> 'create_access_key' THEN {yes} ELSE {no} END, {no},
        2, at, at, 3600, 900, 86400,
        CASE WHEN operation = 'create_access_key' AND was_settled THEN 3600 END, '{observed}',
        '0123456789012345678901234567890123456789012345678901234567890123', status, 3,
        'key' || n, 'hash',
        CASE WHEN was_approved THEN at END, CASE WHEN was_approved THEN at END,
        CASE WHEN was_claimed THEN at END, CASE WHEN was_claimed THEN 'busy' END, CASE WHEN was_claimed THEN '[]' END,
        CASE WHEN was_settled OR status = 'in_doubt' THEN 'done' END,
        CASE WHEN was_settled OR status = 'in_doubt' THEN 'Done.' END,
        CASE WHEN was_settled AND operation = 'create_access_key' THEN 'AKIA' || n END,
        CASE WHEN was_settled THEN at END, CASE WHEN status = 'delivered' THEN at END,
        CASE WHEN status = 'succeeded' AND operation = 'create_access_key' THEN at END,
        CASE WHEN operation = 'create_access_key' AND was_settled THEN at END,
        CASE WHEN operation = 'create_access_key' AND status = 'succeeded' AND n % 1000 <> 5 THEN at END,
        CASE WHEN status IN ('rejected', 'succeeded') THEN at END
    FROM lived
"""

_REST = (
    """
    INSERT INTO decisions
        (request_id, person, requester, recipient, digest, decision, comment, credential, decided_at)
    SELECT id, approver, requester, recipient, digest, 'approve', NULL, 'token-of-' || approver, filed_at
    FROM requests, (SELECT 'bob' AS approver UNION SELECT 'carol') AS approvers
    WHERE approved_at IS NOT NULL
    """,
    """
    INSERT INTO audit_events (seq, at, event, request_id, content)
    SELECT row_number() OVER (ORDER BY id, column1), filed_at, 'request.filed', id, '{{}}'
    FROM requests, (VALUES {each}) AS each
    """,
    """
    INSERT INTO deliveries (id, seq, destination, stream, event, request_id, body, status, attempts, created_at, due_at,
        give_up_at, ended_at)
    SELECT request_id, seq, CASE WHEN seq % 50000 = 7 THEN 'seldom' ELSE 'siem' END, request_id, event, request_id,
        '{{}}', CASE seq % 10000 WHEN 7 THEN 'pending' WHEN 8 THEN 'failed' ELSE 'delivered' END, 1, at, at, at,
        CASE WHEN seq % 10000 <> 7 THEN at END
    FROM audit_events WHERE seq % {events_each} = 0
    """,
    """
    INSERT INTO api_tokens (id, token_hash, subject, kind, created_at, expires_at)
    SELECT 'token-of-' || subject, 'hash of ' || subject, subject, 'person', at, '2099-01-01 00:00:00.000000'
    FROM (SELECT 'p' || substr(id, 20) AS subject, '2020-01-01 00:00:00.000000' AS at
          FROM requests WHERE target LIKE '%3'
          UNION SELECT 'bob', '2020-01-01 00:00:00.000000' UNION SELECT 'carol', '2020-01-01 00:00:00.000000') AS people
    """,
    """
    INSERT INTO people (subject, name, groups, words, spelling)
    SELECT 'known' || id, 'Known', '[]',
        '{{"corp":{{"groups":["' || CASE WHEN target LIKE '%00009' THEN 'approvers' ELSE 'requesters' END
            || '"],"proved_at":"2020-01-01T00:00:00.000000Z"}}}}',
        NULL
    FROM requests WHERE target LIKE '%9'
    """,
    # A trigger has done so where triggers are on.
    """
    INSERT INTO person_groups (subject, issuer, "group")
    SELECT subject, 'corp', CASE WHEN words LIKE '%approvers%' THEN 'approvers' ELSE 'requesters' END FROM people
    WHERE subject NOT IN (SELECT subject FROM person_groups)
    """,
    """
    INSERT INTO audit_nodes (seq, level, hash)
    SELECT seq, column1, '{zeros}' FROM audit_events, (VALUES {levels}) AS levels WHERE seq % column2 = 0
    """,
    """
    INSERT INTO expectations (account_id, checked_at, keys, mfa_enabled)
    SELECT DISTINCT account_id, MAX(filed_at), '{{}}', {yes} FROM requests GROUP BY account_id
    """,
    """
    INSERT INTO drifts (id, account_id, kind, access_key_id, found, found_at, closed_at)
    SELECT id, account_id, 'unexplained_key', 'AKIA' || id, 'Active', filed_at,
        CASE WHEN target LIKE '%777' THEN NULL ELSE filed_at END
    FROM requests WHERE target LIKE '%7'
    """,
)


def fill(owner: Engine, requests: int = REQUESTS, events_each: int = 1) -> None:
    """Fill an empty database with requests, and with `events_each` audit events for each of them.

    The log's head and root are left as they were.
    """
    words = _WORDS[owner.dialect.name]
    words = words | {
        "numbers": words["numbers"].format(requests=requests),
        "each": ", ".join(f"({number})" for number in range(events_each)),
        "events_each": str(events_each),
        # The levels of the log's tree, each with the number of events below one of its nodes.
        "levels": ", ".join(f"({level}, {1 << level})" for level in range(1, (requests * events_each).bit_length())),
    }
    with begin(owner) as tx:
        if owner.dialect.name == "postgresql":
            tx.execute(text("SET LOCAL statement_timeout = 0"))
            tx.execute(text("SET LOCAL session_replication_role = replica"))  # its nodes are no hashes
        for statement in (_REQUESTS, *_REST):
            filled = statement.format(**words, observed=_OBSERVED, zeros="0" * 64)
            if owner.dialect.name == "postgresql":
                filled = filled.replace("'2099-01-01 00:00:00.000000'", "timestamptz '2099-01-01'").replace(
                    "'2020-01-01 00:00:00.000000'", "timestamptz '2020-01-01'"
                )
            tx.exec_driver_sql(filled.replace("%", "%%") if owner.dialect.name == "postgresql" else filled)
    # SQLite has no statistics in practice either: nobody runs ANALYZE there.
    if owner.dialect.name == "postgresql":
        with closing(owner.raw_connection()) as connection:
            connection.cursor().execute("VACUUM ANALYZE")
