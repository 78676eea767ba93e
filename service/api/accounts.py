"""The configured accounts, and who is asking."""

from fastapi import APIRouter

from service.api import inputs, outputs
from service.api.deps import Ctx, SignedIn
from service.api.problems import documented
from service.api.views import account_detail_out, account_out, credentials_out
from service.workflow.read import account_and_expectation, root_credentials

router = APIRouter(prefix="/v1")


@router.get("/me", tags=["Accounts"], summary="Who am I?", responses=documented(401, 503))
def get_me(actor: SignedIn) -> outputs.MeOut:
    """The person or machine that your token proves, with today's roles. For everybody who is signed in."""
    return outputs.MeOut(subject=actor.subject, name=actor.name, kind=actor.kind.value, roles=sorted(actor.roles))


@router.get("/accounts", tags=["Accounts"], summary="List the accounts", responses=documented(401, 503))
def get_accounts(ctx: Ctx, _actor: SignedIn) -> list[outputs.ConfiguredAccountOut]:
    """What the settings name and what the organizations list, at most as old as the settings say. For everybody who
    is signed in.
    """
    return [account_out(account) for account in ctx.accounts.every()]


@router.get(
    "/accounts/{account_id}",
    tags=["Accounts"],
    summary="Read an account",
    responses=documented(401, 404, 422, 503),
)
def get_account(ctx: Ctx, _actor: SignedIn, account_id: inputs.AccountId) -> outputs.AccountDetailOut:
    """What can be done in the account, by which source, and why not; and what the service expects there. Its root
    user is not asked. For everybody who is signed in.
    """
    return account_detail_out(*account_and_expectation(ctx, account_id))


@router.get(
    "/accounts/{account_id}/root-credentials",
    tags=["Accounts"],
    summary="Read an account's root credentials",
    responses=documented(401, 404, 409, 422, 503),
)
def get_root_credentials(ctx: Ctx, _actor: SignedIn, account_id: inputs.AccountId) -> outputs.AccountCredentialsOut:
    """The live state, asked of AWS now: access keys with status, age and last use; password, MFA devices and signing
    certificates. For everybody who is signed in.
    """
    account, observed = root_credentials(ctx, account_id)
    return outputs.AccountCredentialsOut(account=account_out(account), root_credentials=credentials_out(observed))
