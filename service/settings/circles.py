"""Where the service closes a ticket, and a closed ticket ends requests: those of others as well."""

from collections.abc import Iterator

from service.domain import events
from service.domain.request import Status
from service.settings.model import Settings
from service.settings.sections import HookSettings, TrackerSettings

# Events that come from an execution's start on, which a quorum has wanted. All others may come without one.
_WANTED = {
    events.REACHED[status]
    for status in (
        Status.EXECUTING,
        Status.IN_DOUBT,
        Status.DELIVERED,
        Status.SUCCEEDED,
        Status.FAILED,
        Status.ROLLED_BACK,
    )
} | {
    events.EXECUTION_UNRESOLVED,
    events.RECEIPT_CONFIRMED,
    events.RECEIPT_OVERDUE,
    events.RECEIPT_GIVEN_UP,
    events.KEY_QUARANTINED,
    events.KEY_DEACTIVATED,
    events.KEY_EXPIRING,
    events.KEY_EXPIRY_FAILED,
    events.KEY_RETIRED,
}


def faults_of_circles(settings: Settings) -> Iterator[str]:
    for name, tracker in settings.trackers.items():
        # What closes a ticket is known of GitHub alone; elsewhere the settings have to say what does not.
        is_github = tracker.kind == "github"
        harmless = frozenset({"open"}) if is_github else settings.policy.ticket_states or frozenset()
        early = [event for event, state in tracker.states.items() if event not in _WANTED and state not in harmless]
        for hook in (hook for hook in settings.hooks if early and _is_of(settings.hooks[hook], tracker)):
            yield (
                f"trackers.{name}.states: {', '.join(sorted(early))}: by hooks.{hook} whoever files on a ticket would "
                "withdraw what others filed on it, if that state closes it. Before an execution has begun there is "
                + ("only open." if is_github else "only what policy.ticket_states names.")
            )


def _is_of(hook: HookSettings, tracker: TrackerSettings) -> bool:
    """Whether the hook can be told of this tracker's tickets."""
    if hook.kind == "github" == tracker.kind:
        return (hook.repository or "").lower() == (tracker.repository or "").lower()
    return hook.kind in {"standard", tracker.kind.removesuffix("-cloud")}
