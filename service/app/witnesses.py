"""Makes the witnesses of the audit log from the settings."""

from service import verifier
from service.outbound.guarded import new_client
from service.settings import AuditSettings
from service.signing.witnesses import Witness


def witnesses(audit: AuditSettings, allowed_hosts: frozenset[str]) -> dict[str, Witness]:
    """Return the witnesses by their names in the settings."""
    client = new_client(allowed_hosts)
    return {
        name: Witness(client, witness.url, verifier.read_witness(witness.verifier_key))
        for name, witness in audit.witnesses.items()
    }
