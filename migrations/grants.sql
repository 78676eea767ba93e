-- The grants of the service's role, and no more. It owns nothing, deletes only old deliveries, and can only append to the
-- audit log. `rootquorum migrate --grant-to ROLE` runs this after each migration; by hand, as the owner of the tables:
--   psql --set role=rootquorum --single-transaction --file grants.sql
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM :"role";
GRANT SELECT ON ALL TABLES IN SCHEMA public TO :"role";
GRANT INSERT ON requests, decisions, audit_events, api_tokens, people, expectations, drifts, leases, deliveries,
    destinations, audit_nodes, audit_reads, cosignatures TO :"role";
GRANT UPDATE (
    status, version, approved_at, execute_by, claimed_at, claimed_by, known_key_ids, source, result_code,
    result_detail, result_access_key_id, result_sealed_sha256, signer_key_id, aws_request_id, settled_at, receipt_by, received_at,
    overdue_at, unconfirmed_at, deactivated_at, expires_at, expiry_announced_at, expiry_failed_at, retired_at,
    released_at, acting_at, cut_over_at, stopped_at, look_at, reminded_at, stuck_at, ended_at
) ON requests TO :"role";
GRANT UPDATE (digest, decision, comment, credential, decided_at, statement, signature) ON decisions TO :"role";
GRANT UPDATE (size) ON audit_head TO :"role";
GRANT UPDATE (size, root) ON audit_tree TO :"role";
GRANT UPDATE (hour) ON audit_reads TO :"role";
GRANT UPDATE (revoked_at) ON api_tokens TO :"role";
GRANT UPDATE (
    name, issuer, groups, seen_at, proved_at, votes_since, suspended_at, words, spelling, email, email_at
) ON people TO :"role";
GRANT UPDATE (checked_at, keys, mfa_enabled, email, salt) ON expectations TO :"role";
GRANT UPDATE (closed_at, accepted_by) ON drifts TO :"role";
GRANT DELETE ON deliveries TO :"role";
GRANT UPDATE (disabled_at) ON destinations TO :"role";
GRANT UPDATE (status, attempts, detail, due_at, give_up_at, ended_at, is_repeat, reached) ON deliveries TO :"role";
GRANT UPDATE (fence, holder, until) ON leases TO :"role";
