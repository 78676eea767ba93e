"""Detect loops: the service closes a ticket, and the tracker's hook then withdraws every request on that ticket."""

from collections.abc import Iterator

from service.domain.event_table import BEFORE_EXECUTION
from service.notify.products import HOOKS, PRODUCTS
from service.settings.destination_sections import HookSettings, TrackerSettings
from service.settings.model import Settings


def faults_of_circles(settings: Settings) -> Iterator[str]:
    """Yield a fault for each tracker and hook by which one requester could withdraw the requests of others."""
    for name, tracker in settings.trackers.items():
        # If a product's states are not known, the settings must say which of them do not close a ticket.
        known = PRODUCTS[tracker.kind].open_states
        harmless = settings.policy.ticket_states or frozenset() if known is None else known
        early = [
            event for event, state in tracker.states.items() if event in BEFORE_EXECUTION and state not in harmless
        ]
        for hook in (hook for hook in settings.hooks if early and _hears(settings.hooks[hook], tracker)):
            yield (
                f"trackers.{name}.states: {', '.join(sorted(early))}: if that state closes the ticket, hooks.{hook} "
                "withdraws every request on it, those of others too. Before an execution begins, the state must be "
                + ("one of policy.ticket_states." if known is None else f"{' or '.join(sorted(known))}.")
            )


def _hears(hook: HookSettings, tracker: TrackerSettings) -> bool:
    """Tell whether the hook can receive messages about this tracker's tickets."""
    if HOOKS[hook.kind].of_any_tracker:
        return True
    is_same_place = (hook.repository or "").lower() == (tracker.repository or "").lower()
    return hook.kind == PRODUCTS[tracker.kind].hook and is_same_place
