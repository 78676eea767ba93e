"""The requests that `rootquorum demo --keep` leaves to try, and the people who may act on them."""

import signal
from typing import Any

import httpx
from rich.console import Console

from service.domain.outcome import Secret

_STAGING = "444455556666"
# Requester, request, those who have approved it already, and what is left to do.
_LEFT = (
    (
        "carol",
        {
            "operation": "create_access_key",
            "account_id": "111122223333",
            "justification": "A key for the recovery drill of next week.",
            "lifetime": "P7D",
        },
        (),
        "Dave and Erin approve it; then Carol executes it, gets the secret and confirms the receipt",
    ),
    (
        "dave",
        {
            "operation": "create_access_key",
            "account_id": _STAGING,
            "justification": "Staging has lost its key and needs another.",
            "recipient": "frank",
        },
        ("erin",),
        "Carol approves it; then Frank, who gets the secret, executes it",
    ),
)
_HINTS = (
    "Paste a token at the desk: it shows what waits for that person.",
    "Open a request and approve it: the page computes the digest of what you approve.",
    "Approve as its requester, or approve twice with one token, and read the refusal.",
    "Reject one, with a comment; then look at it as Frank in GET /v1/audit/events.",
)


def stay(console: Console, http: httpx.Client, tokens: dict[str, Secret]) -> None:
    """File the requests, print who can do what, and wait for Ctrl-C. Raise HTTPError."""
    console.print(f"\nDesk: {http.base_url.join('/desk')}", markup=False, soft_wrap=True)
    console.print(f"Swagger UI: {http.base_url.join('/docs')}\n", markup=False, soft_wrap=True)
    for subject, token in tokens.items():
        roles = ", ".join(_call(http, token, "GET", "/v1/me")["roles"])
        console.print(f"{subject:>6}  {roles}\n        {token.reveal()}", markup=False, soft_wrap=True)
    console.print("\nThese requests wait:", style="bold")
    for by, filing, approvers, what in _LEFT:
        request = _call(http, tokens[by], "POST", "/v1/requests", filing)
        for approver in approvers:
            decision = {"decision": "approve", "digest": request["digest"]}
            _call(http, tokens[approver], "POST", f"/v1/requests/{request['id']}/decisions", decision)
        console.print(f"  {request['id']}  by {by.capitalize()}, in {request['account']['name']}")
        console.print(f"    {what}.", markup=False)
    console.print("\nTo try:", style="bold")
    for hint in _HINTS:
        console.print(f"  {hint}", markup=False)
    console.print("\nCtrl-C ends it. The tokens end with it.")
    # A shell has its background jobs ignore Ctrl-C's signal; `kill` sends the other. Either ends the service, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        signal.pause()
    except KeyboardInterrupt:
        console.print("Bye.")


def _call(http: httpx.Client, token: Secret, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    headers = {"Authorization": f"Bearer {token.reveal()}"}
    return http.request(method, path, json=body, headers=headers).raise_for_status().json()
