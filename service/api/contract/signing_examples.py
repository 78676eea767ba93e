"""The contract's examples of signatures. Dave, a founder, signs an approval, and endorses Erin's key."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel

from service.api import signing_views as views
from service.api.contract import life
from service.api.contract.log_examples import ORIGIN
from service.domain.canonical import canonical
from service.domain.request import OperationRequest, Verdict
from service.domain.roster import KeyFault, Reason, Revocation, RevokedBy
from service.domain.rule_file import SignedRules, parse_rules
from service.domain.statement import (
    DecisionStatement,
    EnrolmentStatement,
    LogHead,
    Namespace,
    RegistrationStatement,
)
from service.signing.public_keys import KeyKind, PublicKey, from_blob
from service.signing.sshsig import armor, to_be_signed
from service.signing.wire import string
from service.workflow.rule_versions import Signer, Version
from service.workflow.sign import DecisionToSign, ToSign
from service.workflow.signing_keys import Listing, SigningKey

_QUORUM = 2
_STRICTER = '[policy]\nmax_lifetime = "P30D"'
_LABEL = "YubiKey, blue"


class _Key:
    """An Ed25519 key. For examples only: everybody can make it."""

    def __init__(self, seed: int) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        raw = self._private.public_key().public_bytes_raw()
        self.public: PublicKey = from_blob(string(KeyKind.ED25519.encode()) + string(raw))

    def signed(self, statement: str, namespace: Namespace) -> dict[str, str]:
        raw = self._private.sign(to_be_signed(statement.encode(), namespace))
        signature = armor(self.public, namespace, string(KeyKind.ED25519.encode()) + string(raw))
        return {"statement": statement, "signature": signature}


_DAVE, _ERIN = _Key(1), _Key(2)


def _listed(person: str, key: PublicKey, **changes: Any) -> SigningKey:
    known: dict[str, Any] = {
        "person": person,
        "key": key,
        "name": None,
        "is_founder": False,
        "fault": None,
        "endorsers": (),
        "registered_at": None,
        "revocations": (),
    }
    return SigningKey(**known | changes)


def _listing(*keys: SigningKey) -> Listing:
    return Listing(keys, life.DIRECTORY.name_of, _QUORUM)


def _of_erin(**changes: Any) -> SigningKey:
    known = {"name": _LABEL, "registered_at": life.at("02-20T10:00:00"), "fault": KeyFault.NOT_ENDORSED}
    return _listed("erin", _ERIN.public, **known | changes)


def _versions() -> list[Version]:
    first = f"""version = 1

[policy]
signed_approvals = "required"

[founders.dave]
keys = ["{_DAVE.public.text}"]

[founders.erin]
keys = ["{_ERIN.public.text}"]
"""
    before = parse_rules(first.encode()).rules.digest
    second = first.replace("version = 1\n", f'version = 2\nprevious = "{before}"\n').replace("[policy]", _STRICTER)
    return [
        Version(
            signed=SignedRules(
                parse_rules(text.encode()),
                tuple(key.signed(text, Namespace.RULES)["signature"] for key in (_DAVE, _ERIN)),
                "rules.toml",
            ),
            recorded_at=life.at(at),
            signers=(Signer(_DAVE.public, "dave"), Signer(_ERIN.public, "erin")),
            is_in_force=text == second,
            name_of=life.DIRECTORY.name_of,
        )
        for text, at in ((first, "02-20T09:00:00"), (second, "03-01T09:00:00"))
    ]


class SigningExamples:
    """All examples about one request and one head of the log."""

    def __init__(self, request: OperationRequest, head: LogHead, at: datetime) -> None:
        common: dict[str, Any] = {"service": ORIGIN, "head": head, "at": at.replace(microsecond=0)}
        decision = DecisionStatement(
            **common,
            request_id=request.filing.request_id,
            digest=request.digest,
            verdict=Verdict.APPROVE,
            person="dave",
        )
        registration = RegistrationStatement(**common, person="erin", key=_ERIN.public.text)
        enrolment = EnrolmentStatement(**common, endorser="dave", person="erin", key=_ERIN.public.text)
        self._decision = ToSign(decision.bytes().decode(), Namespace.DECISION, head)
        self._registration = ToSign(registration.bytes().decode(), Namespace.REGISTRATION, head)
        self._enrolment = ToSign(enrolment.bytes().decode(), Namespace.ENROLMENT, head)
        self._request = request

    def decision(self) -> dict[str, str]:
        """Return the members that a signed decision has."""
        return _DAVE.signed(self._decision.statement, Namespace.DECISION)

    def bodies(self) -> Mapping[str, Mapping[str, tuple[str, object]]]:
        """Return the examples of bodies by the name of their group."""
        registered = _ERIN.signed(self._registration.statement, Namespace.REGISTRATION)
        compromised = {"reason": "compromised", "since": self._decision.head.size}
        return {
            "keys_to_register": {
                "openssh": ("The line of a `.pub` file", {"key": f"{_ERIN.public.text} erin@laptop"}),
                "passkey": ("A passkey", {"passkey": _SPKI}),
            },
            "new_keys": {"signed": ("Signed by the key itself", {"name": _LABEL, **registered})},
            "endorsements": {
                "signed": ("Signed by Dave", _DAVE.signed(self._enrolment.statement, Namespace.ENROLMENT))
            },
            "revocations": {
                "retired": ("A key that is no longer used", {"reason": "retired"}),
                "compromised": ("A key that somebody else had from then on", compromised),
            },
        }

    def answers(self) -> dict[str, tuple[str, object]]:
        founder = _listed("dave", _DAVE.public, is_founder=True)
        registered = _of_erin()
        revocation = Revocation(key=_ERIN.public.text, reason=Reason.RETIRED, since=9, by=RevokedBy.PERSON, position=9)
        found = DecisionToSign(
            to_sign=self._decision,
            filing=canonical(self._request.filing.document()).decode(),
            digest=self._request.digest,
            consistency=None,
            keys=_listing(founder),
        )
        shown: dict[str, tuple[str, BaseModel]] = {
            "decision_to_sign": ("An approval, for Dave", views.decision_out(found)),
            "own_signing_keys": ("Erin's key, which nobody has endorsed yet", views.keys_out(_listing(registered))),
            "registration_to_sign": ("Erin's key", views.to_sign_out(self._registration)),
            "registered_key": ("Erin's key, registered", views.key_out(_listing(registered))),
            "signing_keys": ("Two keys", views.keys_out(_listing(founder, registered))),
            "endorsement_to_sign": (
                "Dave's word for Erin's key",
                views.endorsement_out(self._enrolment, _listing(registered)),
            ),
            "endorsed_key": ("One endorsement of two", views.key_out(_listing(_of_erin(endorsers=("dave",))))),
            "revoked_key": (
                "Erin's key, retired",
                views.key_out(_listing(_of_erin(fault=KeyFault.REVOKED, revocations=(revocation,)))),
            ),
        }
        shown |= {
            "rules_versions": ("Two versions", views.versions_out(_versions())),
            "rules_version": ("The second version", views.rules_out(_versions()[1])),
        }
        return {name: (summary, value.model_dump(mode="json")) for name, (summary, value) in shown.items()}


# The SubjectPublicKeyInfo of the base point of P-256 (SEC 2, section 2.4.2): a public key that nobody would use.
_SPKI = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54W"
    "K84zV2sxXs7LtkBoN79R9Q=="
)
