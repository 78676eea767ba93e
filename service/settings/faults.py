"""Settings that are unsafe or impossible together, although each value alone is valid: one sentence per fault."""

from collections.abc import Iterator
from importlib.util import find_spec

from service.domain.account import Partition
from service.domain.actor import WORKER
from service.domain.checkpoint import VerifierKey, parse_verifier_key
from service.settings.environment import faults_of_environment
from service.settings.model import Settings
from service.settings.people_sections import IssuerSettings, is_guarded
from service.settings.rule_faults import faults_of_readings, faults_of_rules
from service.settings.signing_sections import AuditSettings, LogKeySettings


def faults_of(settings: Settings) -> Iterator[str]:
    yield from faults_of_environment()
    yield from faults_of_rulebook(settings)
    yield from _faults_of_issuers(settings)
    yield from _faults_of_accounts(settings)
    yield from _faults_of_organizations(settings)
    yield from _faults_of_policy(settings)
    yield from faults_of_readings(settings)
    yield from _faults_of_emergency(settings)
    if settings.model_fields_set & {"founders", "signing"} or settings.wants_signatures():
        from service.settings.signing_faults import faults_of_signing

        yield from faults_of_signing(settings)
    if settings.has_destinations() or settings.hooks:
        from service.settings.destination_faults import faults_of_destinations

        yield from faults_of_destinations(settings)
    yield from faults_of_log(settings.audit, settings.notify.allowed_hosts)
    if not (settings.server.public_url or settings.server.root_path).endswith(settings.server.root_path):
        yield "server.public_url: it must end with server.root_path; otherwise no link works."
    if settings.server.certificate_file or settings.server.key_file or settings.server.client_ca_file:
        from service.settings.server_tls import faults_of_tls

        yield from faults_of_tls(settings.server)
    if settings.worker.lease < 3 * settings.worker.interval:
        yield "worker.lease: it must be at least three times worker.interval; it is renewed once per interval."
    if settings.health.anchor_within is not None and not settings.audit.keys:
        yield "health.anchor_within: without a key in audit.keys there is no head to anchor."
    if settings.audit.witnesses and settings.health.cosigned_within <= settings.audit.cosign_interval:
        yield "health.cosigned_within: it has to be longer than audit.cosign_interval."
    if settings.metrics.port is not None and settings.metrics.port == settings.server.port != 0:
        yield "metrics.port: it is server.port. Use another, or metrics.behind_role."
    if settings.worker.enabled and settings.database.connections < settings.worker.parallel + 2 + (
        settings.metrics.port is not None
    ):
        yield (
            "database.connections: too few. The worker uses worker.parallel plus one, metrics.port one, and the API "
            "needs at least one."
        )


def faults_of_rulebook(settings: Settings) -> Iterator[str]:
    """Yield the faults of what says who may approve what, whatever else the settings have."""
    yield from _faults_of_people(settings)
    yield from faults_of_rules(settings)


def _faults_of_people(settings: Settings) -> Iterator[str]:
    directory, policy = settings.directory(), settings.policy_in_force()
    approvers = directory.all_approvers
    if not directory.may_grow and len(approvers) < policy.quorum:
        yield f"people: {len(approvers)} approvers are fewer than policy.quorum; nothing could ever be approved."
    yield from _faults_of_names([*settings.people, *settings.machines])
    for subject in sorted(settings.people.keys() & settings.machines.keys()):
        yield f"machines.{subject}: a person has the same name."
    for subject, machine in settings.machines.items():
        if (machine.issuer is None) != (machine.login is None):
            yield f"machines.{subject}: issuer and login belong together."
        elif machine.issuer is not None and machine.issuer not in settings.issuers:
            yield f"machines.{subject}: there is no issuer of that name."
    logins = [member.login for member in directory.members.values() if member.login is not None]
    if len(logins) > len(set(logins)):
        yield "machines: two of them have the same login."


def _faults_of_names(names: list[str]) -> Iterator[str]:
    """Yield a fault for names that differ only by case: nobody can sign in with such a name."""
    lower = [name.lower() for name in dict.fromkeys(names)]
    for name in dict.fromkeys(names):
        if lower.count(name.lower()) > 1:
            yield f"people.{name}: another name differs from it only by case."
    if WORKER.subject in lower:
        yield f"{WORKER.subject} is the service's own name; nobody else may have it."


def _faults_of_issuers(settings: Settings) -> Iterator[str]:
    policy = settings.policy
    if not settings.issuers and policy.decision_requires_auth_time:
        yield (
            "policy.decision_requires_auth_time: without an issuer nobody can prove when they signed in. Configure "
            "one, or set it to false, so that an API token is enough to decide."
        )
    if not settings.issuers and policy.decision_acr | policy.decision_amr:
        yield "policy.decision_acr and decision_amr: without an issuer nobody could ever decide."
    urls = [issuer.url for issuer in settings.issuers.values()]
    for name, issuer in settings.issuers.items():
        if urls.count(issuer.url) > 1:
            yield f"issuers.{name}: another issuer has the same url."
        yield from _faults_of_discovery(name, issuer)
        if issuer.person_claim is None and settings.people:
            yield (
                f"issuers.{name}.person_claim: missing. With people in the settings, it must name the claim that has "
                "their names; otherwise one human could vote twice."
            )
        yield from _faults_of_client(name, issuer)


def _faults_of_discovery(name: str, issuer: IssuerSettings) -> Iterator[str]:
    if issuer.discovery_url is None and not is_guarded(issuer.url):
        yield f"issuers.{name}.url: it is not an https URL, and there is no https discovery_url."
    if issuer.discovery_issuer is not None and issuer.discovery_url is None:
        yield f"issuers.{name}.discovery_issuer: it has no effect without discovery_url."


def _faults_of_client(name: str, issuer: IssuerSettings) -> Iterator[str]:
    if issuer.client_id is not None and "openid" not in issuer.scopes:
        yield f"issuers.{name}.scopes: openid is missing."
    if issuer.client_id is not None:
        return
    for setting in ("client_secret", "authorization_parameters", "token_parameters"):
        if getattr(issuer, setting):
            yield f"issuers.{name}.{setting}: it has no effect without client_id."


def _faults_of_accounts(settings: Settings) -> Iterator[str]:
    if not settings.accounts and not any(o.list_accounts for o in settings.organizations.values()):
        yield "accounts: no account is configured."
    if settings.aws.simulated and find_spec("moto") is None:
        yield "aws.simulated: the simulated AWS needs the extra `demo` of this package."
    for account_id, account in settings.accounts.items():
        organization = settings.organizations.get(account.organization or "")
        if account.organization is not None and organization is None:
            yield f"accounts.{account_id}: there is no organization of that name."
        if organization is not None and account_id in organization.deny:
            yield f"accounts.{account_id}: its organization denies this account."
        if settings.aws.simulated and account.profile is not None:
            yield f"accounts.{account_id}: a real account (profile) does not work with the simulated AWS."
        elif settings.aws.simulated and account.partition is not Partition.AWS:
            yield f"accounts.{account_id}: only the partition aws is simulated."
        elif not settings.aws.simulated and account.profile is None and account.organization is None:
            yield f"accounts.{account_id}: profile or organization is missing: one of them gives the root credential."


def _faults_of_organizations(settings: Settings) -> Iterator[str]:
    if settings.aws.simulated and len(settings.organizations) > 1:
        yield "organizations: only one organization is simulated."
    for name, organization in settings.organizations.items():
        if settings.aws.simulated and organization.profile is not None:
            yield f"organizations.{name}: a real organization (profile) does not work with the simulated AWS."
        elif not settings.aws.simulated and organization.profile is None:
            yield f"organizations.{name}: profile is missing: it is the identity that calls sts:AssumeRoot."
        if not organization.list_accounts and organization.allow | organization.deny:
            yield f"organizations.{name}: allow and deny require list_accounts."


def _faults_of_policy(settings: Settings) -> Iterator[str]:
    may_be = settings.webhooks.keys() | settings.chats.keys() | settings.syslogs.keys()
    if settings.policy.escalate_to - may_be:
        there = ", ".join(sorted(may_be)) or "none"
        yield f"policy.escalate_to: one of them is no webhook, chat or syslog; there are {there}."
    if (settings.policy.ticket_check or settings.policy.ticket_check_at_execution) and not settings.trackers:
        yield "policy.ticket_check: there is no tracker, so no ticket would ever pass."


def _faults_of_emergency(settings: Settings) -> Iterator[str]:
    emergency = settings.emergency
    if settings.signed_rules is None and emergency != type(emergency)():
        yield "emergency: it has no effect without signing.rules_file. Change the policy and the founders themselves."
    if emergency.quorum is not None and emergency.quorum < settings.policy.quorum:
        yield "emergency.quorum: it is lower than policy.quorum of the rules, and can only be higher."


NO_ORIGIN = "audit.origin: missing. It is the log's name wherever its head is kept."


def faults_of_log(audit: AuditSettings, allowed_hosts: frozenset[str]) -> Iterator[str]:
    if (audit.timestamp_url is None) != (audit.timestamp_roots is None):
        yield "audit.timestamp_url and timestamp_roots: they belong together."
    if audit.timestamp_url is not None:
        from service.settings.hosts import fault_of_url

        yield from fault_of_url("audit.timestamp_url", audit.timestamp_url, allowed_hosts)
    if audit.witnesses:
        from service.settings.witness_faults import faults_of_witnesses

        yield from faults_of_witnesses(audit, allowed_hosts)
    if audit.keys and audit.origin is None:
        yield NO_ORIGIN
        return
    for name, key in audit.keys.items():
        faults = list(_faults_of_private_part(name, key))
        yield from faults or _faults_of_log_key(name, key, audit.origin or "")


def _faults_of_private_part(name: str, key: LogKeySettings) -> Iterator[str]:
    held = [key.key is not None, key.key_file is not None, key.kms_key is not None].count(True)
    if held > 1:
        yield f"audit.keys.{name}: only one of key, key_file and kms_key may be set."
    if key.profile is not None and key.kms_key is None:
        yield f"audit.keys.{name}.profile: it has no effect without kms_key."
    if key.verifier_key is None and (key.kms_key is not None or held == 0):
        yield f"audit.keys.{name}.verifier_key: missing; `rootquorum audit key` prints it."
    if key.until is not None and held:
        yield f"audit.keys.{name}.until: a key in use has none. Of a key no longer in use keep only verifier_key."


def _faults_of_log_key(name: str, key: LogKeySettings, origin: str) -> Iterator[str]:
    try:
        said = None if key.verifier_key is None else parse_verifier_key(key.verifier_key)
        pem = key.pem()
        held = None if pem is None else _verifier_key_of(origin, pem)
    except OSError:
        yield f"audit.keys.{name}.key_file: it cannot be read."
    except ValueError as error:
        yield f"audit.keys.{name}: {error}."
    else:
        # An old key may belong to an abandoned log that this one replaced.
        if said is not None and said.name != origin and key.until is None:
            yield f"audit.keys.{name}.verifier_key: its name is not audit.origin, and the key has no until."
        if said is not None and held is not None and said != held:
            yield f"audit.keys.{name}.verifier_key: it belongs to another key."


def _verifier_key_of(origin: str, pem: bytes) -> VerifierKey:
    """Return the public key of a private one. Raise ValueError."""
    from service.signing.ed25519 import from_pem

    return parse_verifier_key(from_pem(origin, pem).verifier_key)
