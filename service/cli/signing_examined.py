"""Examines founders, signing keys and signed rules for `rootquorum doctor`."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from service.domain.errors import ServiceError
from service.domain.text import visible
from service.settings import Settings
from service.workflow.context import Context
from service.workflow.rules_in_force import check_acceptable, check_current
from service.workflow.signing_keys import SigningKey, known_keys

# What was checked, the fault or None, the advice, and whether it is only a warning.
Examined = tuple[str, str | None, str, bool]


def examined(settings: Settings, context: Context | None) -> Iterator[Examined]:
    """Warn where the loss of one key, or one person, would decide. `context` is None without a database.

    Without founders there is nothing to say.
    """
    if not settings.founders:
        return
    people, quorum = len(settings.founders), settings.policy.quorum
    if people <= quorum:
        yield _warning(f"founders: {people} people for a quorum of {quorum}. Without one, nobody endorses another key")
    single = sorted(name for name, founder in settings.founders.items() if len(founder.keys) == 1)
    if single:
        yield _warning(f"founders with one key: {visible(', '.join(single))}")
    if context is None:
        return
    if settings.signed_rules is not None:
        yield _rules(context)
    try:
        yield from _of_keys(known_keys(context), quorum)
    except ServiceError as error:
        yield "signing keys", error.exact, "Run `rootquorum audit verify --database`.", False


def _warning(subject: str) -> Examined:
    return subject, None, "", True


def _rules(context: Context) -> Examined:
    rules = None if context.signed_rules is None else context.signed_rules.file.rules
    subject = "rules" if rules is None else f"rules: version {rules.version}, {rules.digest}"
    try:
        check_acceptable(context)
    except ServiceError as error:
        return subject, error.exact, "The service does not start with them.", False
    try:
        check_current(context)
    except ServiceError:
        return _warning(f"{subject}. They come into force when the service starts")
    return f"{subject}, in force", None, "", False


def _of_keys(keys: Sequence[SigningKey], quorum: int) -> Iterator[Examined]:
    counting = [key for key in keys if key.fault is None]
    holders = {key.person for key in counting}
    if len(holders) <= quorum:
        yield _warning(f"signing keys: {len(holders)} people have one that counts, for a quorum of {quorum}")
    vouched = defaultdict[str, set[str]](set)
    for key in counting:
        for endorser in () if key.is_founder else key.endorsers:
            vouched[endorser].add(key.person)
    for endorser, people in sorted(vouched.items()):
        if len(people) >= quorum:
            names = visible(", ".join(sorted(people)))
            yield _warning(f"signing keys: {visible(endorser)} endorsed those of {names}, who are a quorum")
