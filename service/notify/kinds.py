"""The kinds of trackers and hooks, as the settings name them. `products.py` has what each of them is."""

from typing import Literal

Kind = Literal["jira-cloud", "jira", "github", "servicenow", "roundup"]
HookKind = Literal["standard", "github", "jira"]
# Settings that only some kinds have.
Need = Literal["user", "repository", "table"]
