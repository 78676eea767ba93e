"""`rootquorum token explain`: whether the service would accept a provider's token, and why. It signs nobody in."""

import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Annotated

import typer

from service.app import compose
from service.app.issuers import trusted
from service.auth.api_tokens import is_api_token
from service.auth.oidc import Verifier
from service.auth.provider import Provider, new_client
from service.cli.common import console, errors, plainly
from service.cli.prepared import load_settings
from service.cli.terminal import Table, in_lines
from service.db import schema
from service.domain.actor import Actor, Role
from service.domain.errors import Forbidden, SignInAgain, Unauthenticated, Unavailable
from service.domain.policy import check_fresh
from service.domain.proof import Login
from service.domain.sign_in_checks import TokenCheck
from service.settings import Settings
from service.workflow.context import Context
from service.workflow.sign_in import sign_in

_LARGEST_INPUT_BYTES = 64 * 1024


class Exit(IntEnum):
    """Exit codes of the command. 1 means faulty settings, as with any command."""

    LET_IN = 0
    NO_TOKEN = 2
    REFUSED = 3
    NOT_KNOWN = 4


# For each check, why it fails and what to do then. `{name}` is the issuer's name in the settings.
CHECKS: Mapping[TokenCheck, tuple[str, str]] = {
    TokenCheck.OPAQUE: (
        "It does not have the three parts of a signed JWT. Only the provider itself can read it.",
        'Name the API in authorization_parameters (audience or resource), or set sends = "id_token".',
    ),
    TokenCheck.SIZE: ("It is longer than 16 KiB.", "Have the provider put less into it, fewer groups above all."),
    TokenCheck.MALFORMED: (
        "Its parts are not JSON objects in Base64url, or a name occurs twice.",
        "Check whether it was truncated or changed on the way.",
    ),
    TokenCheck.ISSUER: (
        "Its issuer (iss) does not exactly match any issuer in the settings.",
        "Compare it with each issuers.<name>.url; a trailing slash matters.",
    ),
    TokenCheck.ALGORITHM: (
        "Its algorithm (alg) is not accepted.",
        "Have the provider sign with RS256, ES256 or another documented algorithm.",
    ),
    TokenCheck.CRITICAL: ("Its header requires extensions (crit).", "Have the provider omit them."),
    TokenCheck.TYPE: (
        "Its type (typ) is that of another kind of token.",
        "Send an access token or an ID token, not a logout or a refresh token.",
    ),
    TokenCheck.KEY_ID: ("Its header names no key (kid).", "Have the provider name the key that it signs with."),
    TokenCheck.TIMES: (
        "It lacks exp or iat, or one of its times is not a number in the range of dates.",
        "Have the provider say when it was issued and when it expires.",
    ),
    TokenCheck.EXPIRED: ("It has expired (exp).", "Get a new one. If it is new, compare the clocks."),
    TokenCheck.NOT_YET_VALID: ("It is not valid yet (nbf or iat).", "Compare the clocks."),
    TokenCheck.UNKNOWN_KEY: (
        "The provider publishes no key with the id (kid) that it names.",
        "Check whether it is from another tenant. Entra ID may have the key only under a discovery_url with ?appid=.",
    ),
    TokenCheck.KEY: (
        "The provider's key with that id is not for signatures with its algorithm, or is too short.",
        "Check alg, use and key_ops of the key in the provider's JWKS; RSA keys must have 2048 bits or more.",
    ),
    TokenCheck.SIGNATURE: (
        "No key of the provider has signed this.",
        "Check whether it was changed on the way. Entra ID's tokens for Microsoft Graph are only for Graph.",
    ),
    TokenCheck.AUDIENCE: (
        "It is for others: its audience (aud) is not in issuers.{name}.audience.",
        "Ask the provider for one for this service. If tokens have none (Amazon Cognito), set client_id_as_audience.",
    ),
    TokenCheck.SUBJECT: ("It has no subject (sub), or one that is not text.", "Have the provider say who it is about."),
}


class _Offline(Verifier):
    """A verifier that checks no key and no signature. It exists only here, where nobody is signed in."""

    def check_signature(self, token: str, provider: Provider, algorithm: str, kid: str) -> None:
        del token, provider, algorithm, kid


def explain(
    ctx: typer.Context,
    *,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask no provider; the key and the signature are not checked.")
    ] = False,
) -> None:
    """Say whether the service would accept a provider's token, which is read from stdin and not printed.

    Exit 0: accepted; 3: refused; 4: the provider cannot be asked; 2: there is no token of a provider.
    """
    settings = load_settings(ctx.obj)
    token = read_token()
    if token is None:
        sentence = "Pipe a token in, so that it is on no screen and in no history: rootquorum token explain < FILE"
        errors.print(sentence, style="red", soft_wrap=True)
        raise typer.Exit(Exit.NO_TOKEN)
    with plainly():
        raise typer.Exit(judge(settings, token, offline=offline))


def judge(settings: Settings, token: str, *, offline: bool) -> Exit:
    """Print whether the service would accept it, using the service's code. Print nothing of a token that fails."""
    if is_api_token(token):
        _say("Not a provider token", "yellow", {"why": "It is an API token of this service: `rootquorum token list`."})
        return Exit.NO_TOKEN
    with new_client() as http:
        verifier = (_Offline if offline else Verifier)(trusted(settings, http))
        try:
            login = verifier.verify(token)
        except Unauthenticated as refusal:
            check = refusal.check or TokenCheck.MALFORMED
            why, advice = (sentence.format(name=refusal.issuer) for sentence in CHECKS[check])
            _say(f"Refused: {check}", "red", {"issuer": refusal.issuer, "why": why, "to do": advice})
            return Exit.REFUSED
        except Unavailable as refusal:
            _say("Not known", "yellow", {"why": refusal.detail, "to do": "Run `rootquorum doctor`, or use --offline."})
            return Exit.NOT_KNOWN
    return _explain_login(settings, login, offline=offline)


def _explain_login(settings: Settings, login: Login, *, offline: bool) -> Exit:
    passed = "all but its key and its signature, which were not checked" if offline else "all"
    known = {"issuer": login.issuer, "checks": f"passed {passed}"}
    with _nowhere(settings) as context:
        try:
            actor = sign_in(context, login)
        except Forbidden as refusal:
            _say(f"Refused: {refusal.code}", "red", known | {"who": _who(login), "why": refusal.detail})
            return Exit.REFUSED
        decides = _decides(context, actor)
    _say(
        "Good as far as can be checked offline" if offline else "Good: the service accepts it",
        "green",
        known
        | {
            actor.kind.value: actor.subject,
            "name": actor.name,
            "roles": "\n".join(_roles(actor)) or "none",
            "decides": decides,
            "not checked": "whether the person is suspended, or has presented a newer token since",
        },
    )
    return Exit.LET_IN


def _who(login: Login) -> str:
    return login.subject if isinstance(login.subject, str) else login.proof.subject


def _roles(actor: Actor) -> Iterator[str]:
    for role in sorted(actor.roles):
        only = actor.limits.get(role)
        yield role.value if only is None else f"{role.value}, in {', '.join(sorted(only)) or 'no account'}"


def _decides(context: Context, actor: Actor) -> str:
    if Role.APPROVER not in actor.roles:
        return "no: not an approver"
    try:
        check_fresh(actor, context.policy, context.now(), what="A decision")
    except SignInAgain as refusal:
        return f"no: {refusal.detail}"
    return "yes, at this moment"


@contextmanager
def _nowhere(settings: Settings) -> Iterator[Context]:
    """Provide the service on an empty temporary database, so that the sign-in leaves no trace."""
    with tempfile.TemporaryDirectory(prefix="rootquorum-explain-") as folder:
        database = settings.database.model_copy(update={"url": f"sqlite:///{Path(folder) / 'empty.db'}"})
        with compose(settings.model_copy(update={"database": database}), with_aws=False) as context:
            schema.migrate(context.engine)
            yield context


def _say(verdict: str, color: str, facts: Mapping[str, str | None]) -> None:
    """Print the verdict, with the facts below it."""
    console.print(verdict, style=f"bold {color}")
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, fact in facts.items():
        if fact is not None:
            table.add_row(f"  {name}", in_lines(fact))
    console.print(table)


def read_token() -> str | None:
    """Return the token piped into stdin, without white space and `Bearer`; None if there is none, or it is too long."""
    if sys.stdin.isatty():
        return None
    given = sys.stdin.buffer.read(_LARGEST_INPUT_BYTES + 1)
    token = given.decode("utf-8", "replace").strip().removeprefix("Bearer ").strip()
    return token if token and len(given) <= _LARGEST_INPUT_BYTES else None
