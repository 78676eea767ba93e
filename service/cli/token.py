"""Commands for API tokens, and for tokens of providers."""

from datetime import timedelta
from typing import Annotated

import typer

from service.auth.api_tokens import fingerprint, mint
from service.cli.commands import Commands
from service.cli.common import console, errors, fail, print_whole
from service.cli.prepared import operator, ready
from service.cli.terminal import Table
from service.workflow.tokens import create_token, list_tokens, revoke_token

app = Commands()


@app.command()
def create(
    ctx: typer.Context,
    subject: Annotated[str, typer.Argument(help="A person or a machine in the settings.")],
    days: Annotated[int, typer.Option(min=1, max=366, help="Days until it expires.")] = 90,
) -> None:
    """Create a token and print it once; only its hash is stored."""
    with ready(ctx) as context:
        member = context.directory.get(subject)
        if member is None:
            fail("The settings name nobody of that name.")
        secret = mint(member.kind)
        token_hash = fingerprint(secret.reveal())
        if token_hash is None:
            fail("The new token does not pass its own check.")
        token = create_token(context, operator(), subject, token_hash, timedelta(days=days))
    errors.print(
        f"Token {token.id} of {subject}, good until {token.expires_at:%Y-%m-%d}. Shown this once:", soft_wrap=True
    )
    # The only thing on stdout, so that it can be piped.
    typer.echo(secret.reveal())


@app.command("list")
def list_(ctx: typer.Context) -> None:
    """List all tokens, without their secrets."""
    with ready(ctx) as context:
        table = Table(box=None)
        for name in ("id", "owner", "kind", "created", "expires", "revoked"):
            table.add_column(name, no_wrap=True)
        for token in list_tokens(context):
            days = [f"{at:%Y-%m-%d}" if at else "" for at in (token.created_at, token.expires_at, token.revoked_at)]
            table.add_row(token.id, token.subject, token.kind, *days)
    print_whole(table)


@app.command()
def revoke(ctx: typer.Context, token_id: Annotated[str, typer.Argument(help="Its id, from `token list`.")]) -> None:
    """Revoke a token. Its votes on open requests are void."""
    with ready(ctx) as context:
        revoke_token(context, operator(), token_id)
    console.print("Revoked.")


app.later(
    "explain",
    "service.cli.explain:explain",
    "Say whether the service would accept a provider's token, which is read from stdin and not printed.",
)
