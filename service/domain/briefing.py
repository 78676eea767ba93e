"""The briefing of an approver: what the request will do, and what to weigh before approving."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from service.domain.account import ACTIVE, AccessKey, RootCredentials
from service.domain.actor import ActorKind
from service.domain.canonical import timestamp
from service.domain.demands import listed
from service.domain.filing import Filing
from service.domain.hours import are_open, next_opening
from service.domain.operation import Operation, OperationName
from service.domain.request import OperationRequest, Status
from service.domain.rotation_plan import RotationPlan
from service.domain.sealed import fingerprint
from service.domain.standing import Standing
from service.domain.text import plain, quoted


def effect(filing: Filing, name_of: Callable[[str], str]) -> str:
    """Describe in whole sentences what this request does, from all of the filing and from nothing else.

    `name_of` maps a subject to the name to show. Others chose these names, so each is quoted and followed by its
    subject.
    """
    return " ".join([done(filing), *(_of_new_key if filing.operation.is_create else _of_others)(filing, name_of)])


# The first word of whatever says what a drill does, in every representation.
DRILL = "DRILL"


def done(filing: Filing) -> str:
    """Describe what the operation does, in a sentence or two. That of a drill begins with the fact that it is one."""
    effect = filing.operation.kind.effect.format(filing.operation.target)
    return f"{DRILL}: nothing changes in AWS. If it were real: {effect}" if filing.drill else effect


def _of_new_key(filing: Filing, name_of: Callable[[str], str]) -> Iterator[str]:
    """Describe how long the key lives, and who gets its secret."""
    gone = f"the service deactivates it by itself, and deletes it {in_words(filing.rollback_grace)} later."
    window = f"within {in_words(filing.receipt_window)}"
    if filing.lifetime is None:
        yield f"It has no end: it works until somebody deletes it. Unless its arrival is confirmed {window}, {gone}"
    else:
        yield f"It works for {in_words(filing.lifetime)}; then {gone}"
        yield f"If its arrival is not confirmed {window}, the service deactivates it then."
    recipient = _person(filing.recipient, name_of)
    yield f"Its secret goes to {recipient} alone, who executes the request {_window(filing)}."
    if filing.sealed_to is not None:
        yield f"It is sealed on its way: only the holder of the key {plain(fingerprint(filing.sealed_to))} can read it."
    if filing.requester == filing.recipient:
        yield "Requester and recipient are one person."
    else:
        yield f"It was asked for by {_requester(filing, name_of)}."
    if filing.rotation is not None:
        yield from _of_rotation(filing.rotation)


def _of_rotation(plan: RotationPlan) -> Iterator[str]:
    """Describe what becomes of the old key, step by step."""
    yield "From the receipt on both keys work."
    yield (
        f"The service deactivates the old key once it has been unused for {in_words(plan.unused_for)}, or as soon as "
        "the requester or the recipient says so."
    )
    yield f"If neither has happened {in_words(plan.cut_over_within)} after the receipt, both keys stay."
    yield f"It deletes the old key {in_words(plan.deletion_wait)} after its deactivation, unless it was used meanwhile."
    yield "A rejection or a withdrawal stops the rotation at any time, and the keys stay as they are."


def _of_others(filing: Filing, name_of: Callable[[str], str]) -> Iterator[str]:
    """Describe who or what runs the operation, and when."""
    people = [_requester(filing, name_of)]
    if filing.requester != filing.recipient:
        people.append(_person(filing.recipient, name_of))
    if filing.run_on_approval:
        yield "It runs by itself, as soon as the last approval is in."
    else:
        yield f"It runs when {' or '.join(people)} executes it, {_window(filing)}."
    if filing.requester == filing.recipient and filing.requester_kind is ActorKind.PERSON:
        yield "No person but the requester may execute it."


def _window(filing: Filing) -> str:
    return f"within {in_words(filing.execution_window)} of the last approval"


def _requester(filing: Filing, name_of: Callable[[str], str]) -> str:
    kind = "the machine " if filing.requester_kind is ActorKind.MACHINE else ""
    return kind + _person(filing.requester, name_of)


def _person(subject: str, name_of: Callable[[str], str]) -> str:
    name = name_of(subject)
    return quoted(subject) if name == subject else f"{quoted(name)} ({quoted(subject)})"


# A list has the same few durations again and again.
@lru_cache(maxsize=256)
def in_words(duration: timedelta) -> str:
    """Write a duration exactly to the second, such as `1 day 2 hours`."""
    minutes, seconds = divmod(duration // timedelta(seconds=1), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = {"day": days, "hour": hours, "minute": minutes, "second": seconds}
    said = [f"{count:,} {unit}{'' if count == 1 else 's'}" for unit, count in parts.items() if count]
    return " ".join(said) or "0 seconds"


class CautionCode(StrEnum):
    """Stable names of the warnings to approvers. `docs/warnings.md` explains each."""

    KEYS_EXIST = "keys_exist"
    NO_MFA = "no_mfa"
    LAST_MFA_DEVICE = "last_mfa_device"
    RECENTLY_USED = "recently_used"
    SIGNING_KEY = "signing_key"
    LAST_ACTIVE_KEY = "last_active_key"
    STILL_ACTIVE = "still_active"
    ACCEPTS_LOCKOUT = "accepts_lockout"
    SEALED_TO_UNKNOWN = "sealed_to_unknown"
    SEALED_TO_ANOTHER = "sealed_to_another"
    FEW_APPROVERS = "few_approvers"
    CLOSED_TOO_LONG = "closed_too_long"


CAUTIONS: Mapping[CautionCode, str] = {
    CautionCode.KEYS_EXIST: "a new key is asked for, and the root user has one already",
    CautionCode.NO_MFA: "the root user has no MFA device, and this lets somebody in as root",
    CautionCode.LAST_MFA_DEVICE: "it is the root user's only MFA device",
    CautionCode.RECENTLY_USED: "the key was used in the 90 days before",
    CautionCode.SIGNING_KEY: "the service itself signs with the key",
    CautionCode.LAST_ACTIVE_KEY: "it is the root user's only active key",
    CautionCode.STILL_ACTIVE: "a key that is still active is deleted",
    CautionCode.ACCEPTS_LOCKOUT: "the requester accepts that the service may be locked out",
    CautionCode.SEALED_TO_UNKNOWN: "the secret is sealed to a key that is not known as the recipient's; not in lists",
    CautionCode.SEALED_TO_ANOTHER: "the secret is sealed to the signing key of another person; not in lists",
    CautionCode.FEW_APPROVERS: "too few approvers are known; not in lists",
    CautionCode.CLOSED_TOO_LONG: "the rules let nobody in before an approval of now expires; not in lists",
}


@dataclass(frozen=True, slots=True)
class Caution:
    """Something an approver should weigh. `code` is stable, `detail` is for reading."""

    code: CautionCode
    detail: str


# A key that was used this recently is probably still in use. AWS reports the last use hours late.
_RECENTLY = timedelta(days=90)


def warnings(operation: Operation, observed: RootCredentials, *, accept_lockout: bool) -> tuple[Caution, ...]:
    """Return what an approver should weigh, from the account as observed when the request was filed."""
    found: list[Caution] = []
    if operation.is_create and observed.keys:
        found.append(Caution(CautionCode.KEYS_EXIST, f"The root user has {_count(len(observed.keys))} already."))
    if operation.kind.lets_somebody_in and observed.mfa_enabled is False:
        found.append(Caution(CautionCode.NO_MFA, "The root user has no MFA device."))
    if operation.name is OperationName.DEACTIVATE_MFA_DEVICE and observed.mfa_devices == (operation.target,):
        found.append(Caution(CautionCode.LAST_MFA_DEVICE, "This is the root user's only MFA device."))
    for key in observed.keys:
        if key.access_key_id == operation.key_id:
            found += _about_target(operation, key, observed)
    if accept_lockout:
        found.append(Caution(CautionCode.ACCEPTS_LOCKOUT, "The requester accepts that this may lock the service out."))
    return tuple(found)


def sealed_to_unknown(request: OperationRequest, standing: Standing) -> Caution | None:
    """Warn unless the secret is sealed to a signing key that counts as the recipient's own."""
    filing = request.filing
    if filing.sealed_to is None or request.status not in {Status.PENDING, Status.APPROVED}:
        return None
    owner = standing.signatures.roster.owners.get(filing.sealed_to)
    if owner == filing.recipient:
        return None
    if owner is not None:
        return Caution(
            CautionCode.SEALED_TO_ANOTHER, "The secret is sealed to a key that is another person's signing key."
        )
    return Caution(
        CautionCode.SEALED_TO_UNKNOWN,
        "Nothing here shows that the key to which the secret is sealed is the recipient's. "
        f"Ask them, by another way, for its fingerprint: {plain(fingerprint(filing.sealed_to))}.",
    )


def few_approvers(request: OperationRequest, standing: Standing) -> Caution | None:
    """Warn while too few approvers are known. A provider's approvers are known after their first sign-in."""
    if request.status not in {Status.PENDING, Status.APPROVED}:
        return None
    known = standing.approvers_of(request)
    lacking = standing.missing_even_with(request, known)
    if not lacking:
        return None
    detail = f"If all {len(known)} approvers approve who are known here, what is missing is {listed(lacking)}."
    return Caution(CautionCode.FEW_APPROVERS, f"{detail} Others have to sign in first.")


def closed_too_long(request: OperationRequest, standing: Standing, now: datetime) -> Caution | None:
    """Warn if the hours of the rules begin only when an approval of now, or the one that there is, has expired."""
    filing, hours = request.filing, standing.policy.hours
    if request.status not in {Status.PENDING, Status.APPROVED} or not filing.operation.kind.lets_somebody_in:
        return None
    ends = request.execute_by or now + filing.execution_window
    opens = None if are_open(hours, now) else next_opening(hours, now)
    if are_open(hours, now) or (opens is not None and opens < ends):
        return None
    begin = "never" if opens is None else f"at {timestamp(opens)}"
    return Caution(
        CautionCode.CLOSED_TOO_LONG,
        f"The hours of the rules begin {begin}; an approval of now is good until {timestamp(ends)}.",
    )


def _about_target(operation: Operation, key: AccessKey, observed: RootCredentials) -> list[Caution]:
    found: list[Caution] = []
    if operation.kind.wanted == ACTIVE:
        return found
    if key.last_used_at and observed.observed_at - key.last_used_at < _RECENTLY:
        ago = _ago(observed.observed_at - key.last_used_at)
        found.append(Caution(CautionCode.RECENTLY_USED, f"This key was used {ago} before the request was filed."))
    if key.access_key_id == observed.signer_key_id:
        found.append(Caution(CautionCode.SIGNING_KEY, "The service itself signs with this key."))
    if observed.active_key_ids == [key.access_key_id]:
        found.append(Caution(CautionCode.LAST_ACTIVE_KEY, "This is the root user's only active key."))
    if operation.name is OperationName.DELETE_ACCESS_KEY and key.status == ACTIVE:
        found.append(Caution(CautionCode.STILL_ACTIVE, "This key is still active. AWS advises to deactivate it first."))
    return found


def _count(keys: int) -> str:
    return "one access key" if keys == 1 else f"{keys} access keys"


def _ago(age: timedelta) -> str:
    if age < timedelta(hours=1):
        return "less than an hour"
    if age < timedelta(days=2):
        return f"{age // timedelta(hours=1)} hours"
    return f"{age.days} days"
