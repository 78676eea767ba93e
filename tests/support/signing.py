"""People who sign: their keys, and what they do with them in a house."""

from collections.abc import Mapping
from dataclasses import replace

from support.builders import policy_of
from support.house import House
from support.signers import ORIGIN, RP_ID, Authenticator, FileKey, Passkey, Signer, ed25519_of, p256_of

from service.domain.demands import SignedApprovals
from service.domain.request import OperationRequest, Verdict
from service.domain.signed import Signing
from service.domain.statement import Namespace
from service.workflow.announce import announce
from service.workflow.decide import decide
from service.workflow.sign import decision_to_sign, endorsement_to_sign, registration_to_sign
from service.workflow.signatures import Pair
from service.workflow.signing_keys import Listing, endorse, every_key, register

# Bob and Carol are founders. Dave is not, and signs with a passkey.
BOB, CAROL = FileKey(private=ed25519_of(b"bob")), Authenticator(private=ed25519_of(b"carol"))
DAVE = Passkey(private=p256_of(b"dave"))
SPARE = FileKey(private=ed25519_of(b"spare"))
KEYS: Mapping[str, Signer] = {"bob": BOB, "carol": CAROL, "dave": DAVE}
SIGNING = Signing(
    rp_id=RP_ID,
    origins=frozenset({ORIGIN}),
    founders=frozenset({("bob", BOB.public.text), ("carol", CAROL.public.text)}),
)


def begin_signing(house: House, level: SignedApprovals = SignedApprovals.REQUIRED) -> House:
    """Restart with founders, and with this demand of approvals."""
    return restart(house, signing=SIGNING, policy=replace(policy_of(), signed_approvals=level))


def restart(house: House, **settings: object) -> House:
    """Restart with other settings, and record them."""
    house.change(**settings)
    announce(house.ctx)
    return house


def signed(house: House, on: OperationRequest, person: str, signer: Signer | None = None) -> Pair:
    """Return a person's approval with its signature, over the head of this moment."""
    said = decision_to_sign(house.ctx, house.actor(person), on.filing.request_id, Verdict.APPROVE, None).to_sign
    return said.statement, (signer or KEYS[person]).sign(said.statement.encode(), Namespace.DECISION)


def approve(
    house: House, on: OperationRequest, person: str, pair: Pair | None = None, *, by: Signer | None = None
) -> OperationRequest:
    return decide(
        house.ctx,
        house.actor(person),
        on.filing.request_id,
        Verdict.APPROVE,
        digest=on.digest,
        comment=None,
        signed=pair or signed(house, on, person, by),
    ).request


def enrol(house: House, person: str, signer: Signer | None = None, *endorsers: str) -> str:
    """Register a person's key, let these people endorse it, and return its id."""
    signer = signer or KEYS[person]
    said = registration_to_sign(house.ctx, house.actor(person), signer.public)
    signature = signer.sign(said.statement.encode(), Namespace.REGISTRATION)
    [key] = register(house.ctx, house.actor(person), "laptop", (said.statement, signature)).keys
    for endorser in endorsers:
        vouch(house, endorser, key.id)
    return key.id


def vouch(house: House, endorser: str, key_id: str, signer: Signer | None = None) -> Listing:
    said, _ = endorsement_to_sign(house.ctx, house.actor(endorser), key_id)
    signature = (signer or KEYS[endorser]).sign(said.statement.encode(), Namespace.ENROLMENT)
    return endorse(house.ctx, house.actor(endorser), key_id, (said.statement, signature))


def counting(house: House) -> set[str]:
    """Return the people who have a key that counts."""
    return {key.person for key in every_key(house.ctx, house.actor("bob")).keys if key.fault is None}
