"""Faults of the witnesses in the settings. Only settings that have some need this."""

from collections.abc import Iterator

from service import verifier
from service.settings.hosts import fault_of_url
from service.settings.signing_sections import AuditSettings

# A signed note has at most 100 lines, and the log's own keys need some of them.
_MOST = 50


def faults_of_witnesses(audit: AuditSettings, allowed_hosts: frozenset[str]) -> Iterator[str]:
    known = dict[bytes, str]()
    for name, witness in audit.witnesses.items():
        yield from fault_of_url(f"audit.witnesses.{name}.url", witness.url, allowed_hosts)
        if "?" in witness.url:
            yield f"audit.witnesses.{name}.url: it must not have a query; a path is appended to it."
        try:
            key = verifier.read_witness(witness.verifier_key).public
        except ValueError:
            yield f"audit.witnesses.{name}.verifier_key: it is no key for cosignatures with Ed25519 (kind 04)."
        else:
            if known.setdefault(key, name) != name:
                yield f"audit.witnesses.{name}.verifier_key: {known[key]} has the same key, so they are one witness."
    if len(audit.witnesses) > _MOST:
        yield f"audit.witnesses: there are more than {_MOST}."
    if audit.witnesses and not audit.keys:
        yield "audit.witnesses: they cosign what a key of audit.keys has signed, and there is none."
