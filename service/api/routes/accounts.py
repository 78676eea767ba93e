"""The configured accounts, and the caller."""

from functools import partial

from fastapi import APIRouter
from starlette.responses import Response

from service.api.answers import answer
from service.api.contract import described
from service.api.deps import Ctx, Presented, SignedIn, Waiting
from service.api.problems import READING, documented
from service.api.schemas import inputs, outputs
from service.api.views import account_detail_out, account_out, credentials_out
from service.aws.errors import DENIED
from service.aws.organization import NOT_LISTED
from service.domain.errors import Code, Unavailable, no_such_account
from service.domain.permissions import can_decide
from service.workflow.read import account_and_expectation, root_credentials
from service.workflow.sign_in import sign_in

router = APIRouter(prefix="/v1")

_NO_LIST = Unavailable(Code.ACCOUNT_UNREACHABLE, f"{NOT_LISTED} {DENIED}")


@router.get(
    "/me",
    tags=["Accounts"],
    operation_id="whoAmI",
    summary="Who am I?",
    response_model=outputs.MeOut,
    responses=described.answer("You.", "me") | documented(common=READING),
)
def get_me(ctx: Ctx, caller: Presented) -> Response:
    """Return the person or machine of your token, with their current roles. For every signed-in caller."""
    actor = sign_in(ctx, caller)
    return answer(
        outputs.MeOut(
            subject=actor.subject,
            name=actor.name,
            kind=actor.kind.value,
            roles=sorted(actor.roles),
            can_decide=can_decide(actor, ctx.policy, ctx.now()),
        )
    )


@router.get(
    "/accounts",
    tags=["Accounts"],
    operation_id="listAccounts",
    summary="List the accounts",
    responses=described.answer("All accounts.", "accounts")
    | documented(Code.ACCOUNT_UNREACHABLE, common=READING, said=[_NO_LIST]),
)
def get_accounts(ctx: Ctx, _actor: SignedIn) -> list[outputs.ConfiguredAccountOut]:
    """List the accounts in the settings, and those that the organizations list. For every signed-in caller."""
    return [account_out(account) for account in ctx.accounts.every()]


@router.get(
    "/accounts/{account_id}",
    tags=["Accounts"],
    operation_id="readAccount",
    summary="Read an account",
    responses=described.answer("The account.", "account")
    | documented(
        Code.NOT_FOUND,
        Code.ACCOUNT_UNREACHABLE,
        invalid=("path", "account_id"),
        said=[no_such_account(), _NO_LIST],
    ),
)
def get_account(ctx: Ctx, actor: SignedIn, account_id: inputs.AccountId) -> outputs.AccountDetailOut:
    """Return the operations that are possible in the account, with their source, or the reason why not; what a request
    for each needs; and the expected state of its root user. AWS is not queried. For every signed-in caller; `email` is
    null without a role for this account.
    """
    return account_detail_out(*account_and_expectation(ctx, actor, account_id), partial(ctx.policy_for, account_id))


@router.get(
    "/accounts/{account_id}/root-credentials",
    tags=["Accounts"],
    operation_id="readRootCredentials",
    summary="Read an account's root credentials",
    responses=described.answer("The live state.", "live")
    | documented(
        Code.NOT_FOUND,
        Code.NOT_CAPABLE,
        Code.ACCOUNT_UNREACHABLE,
        Code.ROOT_NOT_PROVED,
        Code.TOO_MANY_WAITING,
        invalid=("path", "account_id"),
        said=[no_such_account()],
    ),
)
def get_root_credentials(
    ctx: Ctx, actor: SignedIn, waiting: Waiting, account_id: inputs.AccountId
) -> outputs.AccountCredentialsOut:
    """Read the live state from AWS: access keys with status, age and last use; password, MFA devices and signing
    certificates; the e-mail address. Nothing is changed. For every signed-in caller; `email` is null without a role for
    this account.
    """
    with waiting.one("read", actor.subject):
        account, observed = root_credentials(ctx, actor, account_id)
    return outputs.AccountCredentialsOut(account=account_out(account), root_credentials=credentials_out(observed))
