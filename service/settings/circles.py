"""Where the service closes a ticket, and a closed ticket ends requests: those of others as well."""

from collections.abc import Iterator

from service.domain.event_table import BEFORE_EXECUTION
from service.settings.model import Settings
from service.settings.sections import HookSettings, TrackerSettings


def faults_of_circles(settings: Settings) -> Iterator[str]:
    for name, tracker in settings.trackers.items():
        # What closes a ticket is known of GitHub alone; elsewhere the settings have to say what does not.
        is_github = tracker.kind == "github"
        harmless = frozenset({"open"}) if is_github else settings.policy.ticket_states or frozenset()
        early = [
            event for event, state in tracker.states.items() if event in BEFORE_EXECUTION and state not in harmless
        ]
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
