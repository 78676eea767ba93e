"""The kinds of trackers, hooks and bodies, as the settings name them. `products.py` has what trackers and hooks are."""

from typing import Literal

Kind = Literal["jira-cloud", "jira", "github", "servicenow", "roundup"]
HookKind = Literal["standard", "github", "jira"]
# The body of a webhook: the plain one of Standard Webhooks, or a CloudEvent.
WebhookFormat = Literal["standard", "cloudevents", "cloudevents-binary"]
# Settings that only some kinds have.
Need = Literal["user", "repository", "table"]
