"""Statements to sign, and the keys that people sign with."""

from base64 import b64decode
from typing import Annotated

from fastapi import APIRouter, Body, Query
from starlette.responses import Response

from service.api.answers import answer
from service.api.contract import described
from service.api.deps import Ctx, Presented
from service.api.problems import READING, TAKING_BODY, documented
from service.api.schemas import inputs, signing_inputs, signing_outputs
from service.api.signing_views import decision_out, endorsement_out, key_out, keys_out, to_sign_out
from service.domain.errors import Code, Invalid
from service.domain.permissions import (
    TO_HOLD_A_KEY,
    TO_REVOKE_A_KEY,
    TO_SEE_KEYS,
    only_people_sign,
    role_required,
)
from service.domain.request import Verdict
from service.domain.roster import Reason, RevokedBy
from service.workflow.sign import (
    decision_to_sign,
    endorsement_to_sign,
    key_from_passkey,
    key_from_text,
    registration_to_sign,
)
from service.workflow.signing_keys import endorse, every_key, no_such_key, own_keys, register, revoke

router = APIRouter(prefix="/v1", tags=["Signing"])

_HOLDS = role_required(TO_HOLD_A_KEY, anywhere=True)
_SIGNED = (Code.WRONG_SIGNATURE, Code.STATEMENT_TOO_OLD, Code.LOG_WITHOUT_NAME, Code.SIGN_IN_AGAIN)


@router.get(
    "/requests/{request_id}/statement",
    operation_id="readStatement",
    summary="Read what to sign for a decision",
    response_model=signing_outputs.DecisionToSignOut,
    responses=described.answer("The statement.", "decision_to_sign")
    | documented(
        Code.MACHINE_MAY_NOT_DECIDE,
        Code.NOT_FOUND,
        Code.LOG_WITHOUT_NAME,
        invalid=("query", "size"),
        said=[only_people_sign()],
    ),
)
def get_statement(
    ctx: Ctx,
    caller: Presented,
    request_id: inputs.RequestId,
    wanted: Annotated[signing_inputs.DecisionToSign, Query()],
) -> Response:
    """Return the decision as a statement over the head of the audit log, to be signed with your own key. Send both with
    the decision, before `policy.decision_max_auth_age` is over. For people who may see the request.
    """
    found = decision_to_sign(ctx, caller, request_id, Verdict(wanted.decision), wanted.size)
    return answer(decision_out(found))


@router.get(
    "/me/signing-keys",
    operation_id="listOwnSigningKeys",
    summary="List your signing keys",
    response_model=signing_outputs.SigningKeysOut,
    responses=described.answer("Your keys.", "own_signing_keys")
    | documented(Code.MACHINE_MAY_NOT_DECIDE, common=READING, said=[only_people_sign()]),
)
def get_own_keys(ctx: Ctx, caller: Presented) -> Response:
    """List your keys, with why one does not count. For every signed-in caller who is a person."""
    return answer(keys_out(own_keys(ctx, caller)))


@router.post(
    "/me/signing-keys/statement",
    operation_id="readRegistrationStatement",
    summary="Read what to sign for a new key",
    response_model=signing_outputs.ToSignOut,
    responses=described.answer("The statement.", "registration_to_sign")
    | documented(
        Code.ROLE_REQUIRED,
        Code.MACHINE_MAY_NOT_DECIDE,
        Code.LOG_WITHOUT_NAME,
        Code.WRONG_KEY,
        *TAKING_BODY,
        invalid=("body", "key"),
        said=[_HOLDS, only_people_sign()],
    ),
)
def post_registration_statement(
    ctx: Ctx,
    caller: Presented,
    body: Annotated[signing_inputs.KeyToRegister, Body(openapi_examples=described.bodies("keys_to_register"))],
) -> Response:
    """Return the statement that the key is yours. The key itself has to sign it. Requires the role `approver`; for
    people.
    """
    key = key_from_text(body.key) if body.key is not None else key_from_passkey(ctx, _spki(body.passkey or ""))
    return answer(to_sign_out(registration_to_sign(ctx, caller, key)))


@router.post(
    "/me/signing-keys",
    operation_id="registerSigningKey",
    summary="Register a signing key",
    response_model=signing_outputs.SigningKeyOut,
    responses=described.answer("The key.", "registered_key")
    | documented(
        Code.ROLE_REQUIRED,
        Code.MACHINE_MAY_NOT_DECIDE,
        Code.KEY_REVOKED,
        Code.KEY_TAKEN,
        Code.TOO_MANY_KEYS,
        *_SIGNED,
        *TAKING_BODY,
        invalid=("body", "name"),
        said=[_HOLDS, only_people_sign()],
    ),
)
def post_own_key(
    ctx: Ctx,
    caller: Presented,
    body: Annotated[signing_inputs.NewSigningKey, Body(openapi_examples=described.bodies("new_keys"))],
) -> Response:
    """Register the key that signed the statement. It counts once enough others have endorsed it. A repeat changes
    nothing. Requires the role `approver`, and a sign-in as fresh as for a decision; for people.
    """
    return answer(key_out(register(ctx, caller, body.name, (body.statement, body.signature))))


@router.post(
    "/me/signing-keys/{fingerprint}/revocation",
    operation_id="revokeOwnSigningKey",
    summary="Revoke a signing key of yours",
    response_model=signing_outputs.SigningKeyOut,
    responses=described.answer("The key.", "revoked_key")
    | documented(
        Code.SIGN_IN_AGAIN,
        Code.MACHINE_MAY_NOT_DECIDE,
        Code.NOT_FOUND,
        *TAKING_BODY,
        invalid=("body", "reason"),
        said=[only_people_sign(), no_such_key()],
    ),
)
def post_own_revocation(
    ctx: Ctx,
    caller: Presented,
    fingerprint: signing_inputs.KeyId,
    body: Annotated[signing_inputs.KeyRevocation, Body(openapi_examples=described.bodies("revocations"))],
) -> Response:
    """Revoke it, for good. Approvals that it signed no longer count. A repeat changes nothing. For the key's person. A
    compromised key requires as fresh a sign-in as a decision: its revocation reaches the keys that it endorsed.
    """
    return answer(key_out(revoke(ctx, caller, fingerprint, Reason(body.reason), body.since, by=RevokedBy.PERSON)))


@router.get(
    "/signing-keys",
    operation_id="listSigningKeys",
    summary="List everybody's signing keys",
    response_model=signing_outputs.SigningKeysOut,
    responses=described.answer("All keys.", "signing_keys")
    | documented(Code.ROLE_REQUIRED, common=READING, said=[role_required(TO_SEE_KEYS, anywhere=True)]),
)
def get_keys(ctx: Ctx, caller: Presented) -> Response:
    """List the keys of all people: whose each is, whether it counts or why not, and who endorsed it. Requires the role
    `approver`, `auditor` or `operator`.
    """
    return answer(keys_out(every_key(ctx, caller)))


@router.post(
    "/signing-keys/{fingerprint}/endorsement/statement",
    operation_id="readEndorsementStatement",
    summary="Read what to sign for an endorsement",
    response_model=signing_outputs.EndorsementToSignOut,
    responses=described.answer("The statement.", "endorsement_to_sign")
    | documented(
        Code.ROLE_REQUIRED,
        Code.MACHINE_MAY_NOT_DECIDE,
        Code.SELF_ENDORSEMENT,
        Code.NOT_FOUND,
        Code.KEY_REVOKED,
        Code.LOG_WITHOUT_NAME,
        invalid=("path", "fingerprint"),
        said=[_HOLDS, only_people_sign(), no_such_key()],
    ),
)
def post_endorsement_statement(ctx: Ctx, caller: Presented, fingerprint: signing_inputs.KeyId) -> Response:
    """Return the statement that this key is that person's. Compare the fingerprint with them by another way first.
    Requires the role `approver`; for people.
    """
    return answer(endorsement_out(*endorsement_to_sign(ctx, caller, fingerprint)))


@router.post(
    "/signing-keys/{fingerprint}/endorsement",
    operation_id="endorseSigningKey",
    summary="Endorse somebody's signing key",
    response_model=signing_outputs.SigningKeyOut,
    responses=described.answer("The key.", "endorsed_key")
    | documented(
        Code.ROLE_REQUIRED,
        Code.MACHINE_MAY_NOT_DECIDE,
        Code.SELF_ENDORSEMENT,
        Code.KEY_NOT_ENDORSED,
        Code.NOT_FOUND,
        Code.KEY_REVOKED,
        *_SIGNED,
        *TAKING_BODY,
        invalid=("body", "signature"),
        said=[_HOLDS, only_people_sign(), no_such_key()],
    ),
)
def post_endorsement(
    ctx: Ctx,
    caller: Presented,
    fingerprint: signing_inputs.KeyId,
    body: Annotated[signing_inputs.Signed, Body(openapi_examples=described.bodies("endorsements"))],
) -> Response:
    """Vouch for another person's key, with a key of yours that counts. A repeat changes nothing. Requires the role
    `approver`, and a sign-in as fresh as for a decision; for people.
    """
    return answer(key_out(endorse(ctx, caller, fingerprint, (body.statement, body.signature))))


@router.post(
    "/signing-keys/{fingerprint}/revocation",
    operation_id="revokeSigningKey",
    summary="Revoke anybody's signing key",
    response_model=signing_outputs.SigningKeyOut,
    responses=described.answer("The key.", "revoked_key")
    | documented(
        Code.SIGN_IN_AGAIN,
        Code.ROLE_REQUIRED,
        Code.NOT_FOUND,
        *TAKING_BODY,
        invalid=("body", "reason"),
        said=[role_required(TO_REVOKE_A_KEY, everywhere=True), no_such_key()],
    ),
)
def post_revocation(
    ctx: Ctx,
    caller: Presented,
    fingerprint: signing_inputs.KeyId,
    body: Annotated[signing_inputs.KeyRevocation, Body(openapi_examples=described.bodies("revocations"))],
) -> Response:
    """Revoke it, for good. Approvals that it signed no longer count. A repeat changes nothing. Requires the role
    `operator` and, for a compromised key, as fresh a sign-in as a decision.
    """
    return answer(key_out(revoke(ctx, caller, fingerprint, Reason(body.reason), body.since, by=RevokedBy.OPERATOR)))


def _spki(passkey: str) -> bytes:
    try:
        return b64decode(passkey, validate=True)
    except ValueError:
        raise Invalid(Code.WRONG_KEY, why="It is not Base64.", field="passkey") from None
