"""What a running process takes from settings that it has read again, and what waits for its next start.

It takes whatever says who may do what, and who is told: all that is in the workflow's Context, which a call reads once.
"""

from collections.abc import Iterator, Mapping

from service.settings.model import Settings
from service.settings.people_sections import IssuerSettings

# With signed rules, everything that stands in their file is here, and the grants of issuers: no version is taken in
# part.
TAKEN = frozenset(
    {
        *("policy", "rules", "groups", "people", "machines", "signing", "founders", "emergency"),
        *("notify", "webhooks", "chats", "trackers", "mails", "syslogs"),
    }
)
GRANTS = "issuers.*.grants"
# Browsers that sign in ask their provider for these as they were at the start, and of Entra ID's `acrs` only values of
# then are read. What comes back is judged as it is now.
_ASKED = ("decision_acr", "decision_max_auth_age")


def taken(old: Settings, new: Settings) -> Settings:
    """Return the old settings with what is taken from the new ones. They may contradict each other."""
    values = {name: getattr(new if name in TAKEN else old, name) for name in Settings.model_fields}
    said = (old.model_fields_set - TAKEN) | (new.model_fields_set & TAKEN)
    result = Settings.model_construct(_fields_set=said, **values | {"issuers": _issuers(old, new)})
    result._signed_rules = new.signed_rules  # noqa: SLF001  # as `load` does
    return result


def _issuers(old: Settings, new: Settings) -> Mapping[str, IssuerSettings]:
    """Return the old issuers with their new grants. One that is gone grants nothing more."""
    granted = {name: issuer.grants for name, issuer in new.issuers.items()}
    return {name: issuer.model_copy(update={"grants": granted.get(name, ())}) for name, issuer in old.issuers.items()}


def differing(old: Settings, new: Settings) -> Iterator[str]:
    """Yield what is taken and differs: names of sections, and `issuers.*.grants`."""
    yield from sorted(name for name in TAKEN if getattr(old, name) != getattr(new, name))
    if _grants(old) != _grants(new):
        yield GRANTS


def waiting(old: Settings, new: Settings) -> Iterator[str]:
    """Yield what differs and waits for the next start: names of sections, and of settings in them."""
    for name in sorted(Settings.model_fields.keys() - TAKEN - {"issuers"}):
        if getattr(old, name) != getattr(new, name):
            yield name
    if _without_grants(old) != _without_grants(new):
        yield "issuers"
    for name in _ASKED:
        if new.issuers and getattr(old.policy, name) != getattr(new.policy, name):
            yield f"policy.{name} (of sign-ins with a browser)"


def _grants(settings: Settings) -> dict[str, object]:
    return {name: issuer.grants for name, issuer in settings.issuers.items() if issuer.grants}


def _without_grants(settings: Settings) -> dict[str, object]:
    return {name: issuer.model_copy(update={"grants": ()}) for name, issuer in settings.issuers.items()}
