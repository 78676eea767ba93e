"""Drift: the difference between an account's root credentials and the service's expectation.

The expectation starts as the first drift check found the account (`adopted`). Only executed requests and an operator's
acceptance change it. Drift stays open for as long as the account differs from the expectation.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from service.domain.account import ACTIVE, INACTIVE, RootCredentials
from service.domain.canonical import Document, Json, sha256
from service.domain.errors import Code, Conflict, NotFound
from service.domain.operation import OperationName
from service.domain.request import OperationRequest, Status


class Origin(StrEnum):
    ADOPTED = "adopted"
    CREATED = "created"
    ACCEPTED = "accepted"


class DriftKind(StrEnum):
    UNEXPLAINED_KEY = "unexplained_key"
    KEY_VANISHED = "key_vanished"
    STATUS_CHANGED = "status_changed"
    MFA_LOST = "mfa_lost"
    EMAIL_CHANGED = "email_changed"


@dataclass(frozen=True, slots=True)
class ExpectedKey:
    status: str
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What an account's root user should have. `checked_at` is the start of the last drift check.

    `email` is None until a drift check could read it. `salt` is random text that hides addresses in the log; it is
    empty for an expectation of an earlier version, which knew no address.
    """

    account_id: str
    checked_at: datetime
    keys: Mapping[str, ExpectedKey]
    mfa_enabled: bool
    email: str | None = None
    salt: str = ""

    @property
    def document(self) -> Document:
        """Return what the log has of it: of the address only the hash, and nothing if it is not known."""
        known: dict[str, Json] = {} if self.email is None else {"email": hidden(self.email, self.salt)}
        return known | {
            "account_id": self.account_id,
            "keys": {key: {"status": known.status, "origin": known.origin.value} for key, known in self.keys.items()},
            "mfa_enabled": self.mfa_enabled,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a drift check found in the account; it began at `at`. Keys are id → status. None is not known."""

    at: datetime
    keys: Mapping[str, str]
    mfa_enabled: bool | None
    email: str | None = None

    @classmethod
    def of(cls, observed: RootCredentials, at: datetime) -> "Seen":
        return cls(at=at, keys=observed.statuses, mfa_enabled=observed.mfa_enabled, email=observed.email)

    def tells(self, kind: "DriftKind") -> bool:
        """Return whether a difference of this kind would show. An answer that is missing resolves no finding."""
        match kind:
            case DriftKind.MFA_LOST:
                return self.mfa_enabled is not None
            case DriftKind.EMAIL_CHANGED:
                return self.email is not None
            case _:
                return True


def hidden(email: str, salt: str) -> str:
    """Return the hex SHA-256 that stands for an address in the log.

    An address is easy to guess, so a hash of it alone would confirm a guess. Without the account's secret `salt`
    nobody can try; with it, an auditor can check what the log says. Equal addresses have equal hashes in one account.
    """
    return sha256({"email": email, "salt": salt})


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One difference. `access_key_id` is None for MFA and for the address.

    `expected` and `found` are statuses; None means absent. For `email_changed` they are addresses.
    """

    account_id: str
    kind: DriftKind
    access_key_id: str | None
    expected: str | None
    found: str | None

    def document(self, salt: str) -> Document:
        """Return what the log has of it. An address is hidden with its account's `salt`."""
        expected, found = self.expected, self.found
        if self.kind is DriftKind.EMAIL_CHANGED:
            expected, found = (None if email is None else hidden(email, salt) for email in (expected, found))
        return {
            "account_id": self.account_id,
            "kind": self.kind.value,
            "access_key_id": self.access_key_id,
            "expected": expected,
            "found": found,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftFinding:
    """A drift that is or was open. `accepted_by` is who accepted it; None on a closed one: it went away by itself."""

    id: str
    drift: Drift
    found_at: datetime
    closed_at: datetime | None
    accepted_by: str | None

    def document(self, salt: str) -> Document:
        return {"id": self.id} | dict(self.drift.document(salt))


@dataclass(frozen=True, slots=True)
class Effect:
    """A request's effect on a key at `at`. `status` None means deleted. Without a key, an MFA device was removed."""

    at: datetime
    access_key_id: str | None
    status: str | None
    is_creation: bool = False


def effects(request: OperationRequest) -> tuple[Effect, ...]:
    """Return all effects of an executed request on root keys and MFA, with later ones on its new and old key.

    A drill has none.
    """
    if request.filing.drill:
        return ()
    operation, created = request.filing.operation, request.result.access_key_id if request.result else None
    times: list[tuple[datetime | None, str | None, str | None]] = []
    made: tuple[Effect, ...] = ()
    if operation.is_create and created is not None:
        if request.settled_at is not None:
            made = (Effect(request.settled_at, created, ACTIVE, is_creation=True),)
        times += [
            (request.deactivated_at, created, INACTIVE),
            (request.retired_at, created, None),
            (request.cut_over_at, operation.target, INACTIVE),
        ]
        if request.filing.rotates and request.status is Status.SUCCEEDED:
            times.append((request.ended_at, operation.target, None))
        if request.status is Status.ROLLED_BACK:
            times.append((request.ended_at, created, None))
    elif request.status is Status.SUCCEEDED and operation.key_id is not None:
        times.append((request.settled_at, operation.key_id, operation.kind.wanted))
    elif request.status is Status.SUCCEEDED and operation.name is OperationName.DEACTIVATE_MFA_DEVICE:
        times.append((request.settled_at, None, None))
    return made + tuple(Effect(at, key, status) for at, key, status in times if at is not None)


def adopt(account_id: str, seen: Seen, done: Iterable[Effect], salt: str) -> Expectation:
    """Start the expectation: the first drift check accepts whatever it finds."""
    made = {effect.access_key_id for effect in done if effect.is_creation}
    keys = {
        key: ExpectedKey(status, Origin.CREATED if key in made else Origin.ADOPTED) for key, status in seen.keys.items()
    }
    return Expectation(
        account_id=account_id,
        checked_at=seen.at,
        keys=keys,
        mfa_enabled=bool(seen.mfa_enabled),
        salt=salt,
        email=seen.email,
    )


def expect(before: Expectation, done: Iterable[Effect], seen: Seen, salt: str) -> Expectation:
    """Return `before`, updated by the effects of requests since.

    MFA that was switched on is accepted, and so is the first address that can be read. `salt` is for an expectation
    that has none.
    """
    keys, mfa_enabled = dict(before.keys), before.mfa_enabled
    for effect in sorted(done, key=lambda effect: effect.at):
        if effect.access_key_id is None:
            mfa_enabled = False
        elif effect.is_creation:
            keys[effect.access_key_id] = ExpectedKey(ACTIVE, Origin.CREATED)
        elif effect.status is None:
            keys.pop(effect.access_key_id, None)
        elif effect.access_key_id in keys:
            # A request on an unexplained key does not explain the key.
            keys[effect.access_key_id] = replace(keys[effect.access_key_id], status=effect.status)
    mfa_enabled = mfa_enabled or bool(seen.mfa_enabled)
    email = seen.email if before.email is None else before.email
    return replace(
        before, checked_at=seen.at, keys=keys, mfa_enabled=mfa_enabled, email=email, salt=before.salt or salt
    )


def differences(expectation: Expectation, seen: Seen) -> tuple[Drift, ...]:
    """Return all differences from the expectation. What is not known is not one."""
    account_id, found = expectation.account_id, []
    for key in sorted(seen.keys.keys() | expectation.keys.keys()):
        expected = expectation.keys[key].status if key in expectation.keys else None
        status = seen.keys.get(key)
        if status == expected:
            continue
        kind = DriftKind.STATUS_CHANGED
        if expected is None:
            kind = DriftKind.UNEXPLAINED_KEY
        elif status is None:
            kind = DriftKind.KEY_VANISHED
        found.append(Drift(account_id=account_id, kind=kind, access_key_id=key, expected=expected, found=status))
    if expectation.mfa_enabled and seen.mfa_enabled is False:
        lost = Drift(
            account_id=account_id, kind=DriftKind.MFA_LOST, access_key_id=None, expected="enabled", found="disabled"
        )
        found.append(lost)
    if None not in (expectation.email, seen.email) and seen.email != expectation.email:
        changed = Drift(
            account_id=account_id,
            kind=DriftKind.EMAIL_CHANGED,
            access_key_id=None,
            expected=expectation.email,
            found=seen.email,
        )
        found.append(changed)
    return tuple(found)


def accept(expectation: Expectation, drift: Drift) -> Expectation:
    """Return the expectation with what was found, which somebody has looked into and accepted."""
    if drift.kind is DriftKind.EMAIL_CHANGED:
        return replace(expectation, email=drift.found)
    if drift.access_key_id is None:
        return replace(expectation, mfa_enabled=False)
    keys = dict(expectation.keys)
    if drift.found is None:
        keys.pop(drift.access_key_id, None)
    else:
        known = keys.get(drift.access_key_id)
        keys[drift.access_key_id] = ExpectedKey(drift.found, known.origin if known else Origin.ACCEPTED)
    return replace(expectation, keys=keys)


def no_such_finding() -> NotFound:
    return NotFound(Code.NOT_FOUND, "There is no such finding.")


def finding_closed() -> Conflict:
    return Conflict(Code.WRONG_STATUS, "The finding is already closed.")


def account_changing() -> Conflict:
    """Refuse a drift check while an operation is under way: it could find neither the old nor the new state."""
    return Conflict(
        Code.ACCOUNT_BUSY,
        "Another drift check or an operation is under way on this account, or has just ended. Try again later.",
    )
