"""What people sign: statements over the log's head of the moment. Nothing here is changed."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.db import tree
from service.db.engine import Tx, read, retried
from service.db.proved_log import read_log
from service.domain.actor import Actor
from service.domain.canonical import canonical
from service.domain.errors import Code, Invalid, log_too_small
from service.domain.merkle import consistency_proof
from service.domain.permissions import check_may_hold_key, check_signs
from service.domain.request import Verdict
from service.domain.statement import (
    AnyStatement,
    DecisionStatement,
    EnrolmentStatement,
    LogHead,
    Namespace,
    RegistrationStatement,
)
from service.signing.faults import BadSignature
from service.signing.public_keys import PublicKey, from_passkey, parse_public_key
from service.signing.sshsig import to_be_signed
from service.workflow.context import Context
from service.workflow.read import request_for
from service.workflow.sign_in import Caller, recording_sign_ins, signed_in
from service.workflow.signing_keys import Listing, all_keys, endorsable, listing, named_log


@dataclass(frozen=True, slots=True)
class ToSign:
    """A statement, the namespace of its signature, and the head in it."""

    statement: str
    namespace: Namespace
    head: LogHead

    @property
    def blob(self) -> bytes:
        """Return what a key signs. It is a passkey's challenge."""
        return to_be_signed(self.statement.encode(), self.namespace)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionToSign:
    """A decision to sign. The digest is the SHA-256 of `filing`.

    `consistency` proves that the log has only grown since the size that the caller knows; None if they named none.
    `keys` are those of the caller that count.
    """

    to_sign: ToSign
    filing: str
    digest: str
    consistency: Sequence[bytes] | None
    keys: Listing


@retried
@recording_sign_ins
def decision_to_sign(
    ctx: Context, caller: Caller, request_id: str, verdict: Verdict, known_size: int | None
) -> DecisionToSign:
    """Return the caller's decision as a statement. Whether they may decide is judged when they do.

    Raise NotFound, Unauthenticated, Forbidden, Invalid, Conflict if the log has no name; Unavailable.
    """
    with read(ctx.engine) as tx:
        actor = signed_in(ctx, tx, caller)
        request = request_for(tx, actor, request_id)
        check_signs(actor)
        origin, head = named_log(ctx), _head(ctx, tx)
        size = head.size
        if known_size is not None and known_size > size:
            raise log_too_small("size")
        statement = DecisionStatement(
            service=origin,
            head=head,
            at=ctx.now().replace(microsecond=0),
            request_id=request_id,
            digest=request.digest,
            verdict=verdict,
            person=actor.subject,
            drill=request.filing.drill,
        )
        return DecisionToSign(
            to_sign=_to_sign(statement, Namespace.DECISION),
            filing=canonical(request.filing.document()).decode(),
            digest=request.digest,
            consistency=None if known_size is None else consistency_proof(known_size, size, tree.over(tx, size).hashes),
            keys=listing(
                ctx, tx, [each for each in all_keys(ctx, tx) if each.person == actor.subject and each.fault is None]
            ),
        )


@retried
@recording_sign_ins
def registration_to_sign(ctx: Context, caller: Caller, key: PublicKey) -> ToSign:
    """Return the statement by which the caller registers a key. Raise as `decision_to_sign` does."""
    with read(ctx.engine) as tx:
        actor = signed_in(ctx, tx, caller)
        check_may_hold_key(actor)
        head = _head(ctx, tx)
        statement = RegistrationStatement(
            service=named_log(ctx),
            head=head,
            at=ctx.now().replace(microsecond=0),
            person=actor.subject,
            key=key.text,
        )
        return _to_sign(statement, Namespace.REGISTRATION)


@retried
@recording_sign_ins
def endorsement_to_sign(ctx: Context, caller: Caller, key_id: str) -> tuple[ToSign, Listing]:
    """Return the statement by which the caller endorses somebody else's key, and that key.

    Raise NotFound, Unauthenticated, Forbidden, Conflict, Unavailable.
    """
    with read(ctx.engine) as tx:
        actor: Actor = signed_in(ctx, tx, caller)
        target = endorsable(ctx, tx, actor, key_id)
        statement = EnrolmentStatement(
            service=named_log(ctx),
            head=_head(ctx, tx),
            at=ctx.now().replace(microsecond=0),
            endorser=actor.subject,
            person=target.person,
            key=target.key.text,
        )
        return _to_sign(statement, Namespace.ENROLMENT), listing(ctx, tx, [target])


def key_from_text(text: str) -> PublicKey:
    """Read a line of OpenSSH's public key file, with or without a comment. Raise Invalid."""
    try:
        return parse_public_key(" ".join(text.split()[:2]))
    except BadSignature as error:
        raise Invalid(Code.WRONG_KEY, why=str(error)) from None


def key_from_passkey(ctx: Context, spki: bytes) -> PublicKey:
    """Read a passkey for this site, as the browser's `getPublicKey()` gives it. Raise Invalid."""
    if ctx.signing.rp_id is None:
        raise Invalid(Code.WRONG_KEY, why="This service takes no passkeys: its settings have no signing.rp_id.")
    try:
        return from_passkey(spki, ctx.signing.rp_id)
    except BadSignature as error:
        raise Invalid(Code.WRONG_KEY, why=str(error)) from None


def _head(ctx: Context, tx: Tx) -> LogHead:
    named_log(ctx)
    frontier = read_log(tx).frontier
    return LogHead(frontier.size, frontier.root().hex())


def _to_sign(statement: AnyStatement, namespace: Namespace) -> ToSign:
    return ToSign(statement.bytes().decode(), namespace, statement.head)
