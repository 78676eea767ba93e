"""A simulated AWS in this process: moto's IAM behind a real HTTP endpoint, with a root user per account.

boto3 signs and speaks HTTP to it as to AWS. What moto 5.2 lacks is added: root principals, keys that stop
working, sts:AssumeRoot with task policies, propagation delay, and faults on demand. In this order:

    server    HTTP, and lost connections
    wire      a request is taken apart, its signature checked
    keys      whose key is it, and does it work yet
    policy    may the signer do that
    root      moto does it, with a root user
    sessions  AssumeRoot, which moto has not
    accounts  the steps above, in order, for all accounts
    faults    what goes wrong on the way

Several may run at once, even with the same account ids: nothing is shared between them.
Only the partition `aws` is simulated, and of its services IAM and, in STS, GetCallerIdentity and AssumeRoot.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Literal, Self

from moto.core.request import Request
from werkzeug.wrappers import Response

from service.aws.simulated.accounts import Accounts
from service.aws.simulated.faults import (
    ConnectionLostAfter,
    ConnectionLostBefore,
    Delay,
    Fault,
    Hook,
    Plan,
    Refuse,
    ServerError,
    ServerErrorAfter,
    Throttle,
)
from service.aws.simulated.keys import Credential
from service.aws.simulated.server import Server
from service.aws.simulated.wire import AwsError, Incoming, error_answer, read

__all__ = [
    "Call",
    "ConnectionLostAfter",
    "ConnectionLostBefore",
    "Credential",
    "Delay",
    "Fault",
    "Refuse",
    "ServerError",
    "ServerErrorAfter",
    "SimulatedAws",
    "Throttle",
]


@dataclass(frozen=True)
class Call:
    """One call as it arrived, whatever became of it. `account_id` is the signer's, None if unknown."""

    action: str
    account_id: str | None
    access_key_id: str | None
    parameters: Mapping[str, str]


class SimulatedAws:
    """An AWS of some accounts, each with a root user who has one active access key.

    `management_account`, if named, has an IAM user who may call sts:AssumeRoot into the other accounts. It
    need not be one of `account_ids`; if it is not, its root user has no access key. `port` 0 is any free one.
    """

    def __init__(self, account_ids: Sequence[str], *, management_account: str | None = None, port: int = 0) -> None:
        for account_id in filter(None, [*account_ids, management_account]):
            if not re.fullmatch(r"\d{12}", account_id):
                message = f"not an AWS account id: {account_id!r}"
                raise ValueError(message)
        self._port = port
        self._server: Server | None = None
        self._stopping = threading.Event()
        self._lock = threading.RLock()  # around all that reads or changes accounts, keys and calls
        self._accounts = Accounts(account_ids, management_account)
        self._plan = Plan()
        self._calls: list[Call] = []

    # --- life ---

    def start(self) -> None:
        """Listen. What was changed before and between runs is kept; a new object is a new AWS."""
        if self._server is None:
            self._stopping.clear()
            self._server = Server(self._answer, self._port)

    def stop(self) -> None:
        """Stop listening and end delays that are running. Does nothing when not started."""
        if self._server is not None:
            self._stopping.set()
            self._server.stop()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def endpoint_url(self) -> str:
        if self._server is None:
            message = "the simulated AWS is not started"
            raise RuntimeError(message)
        return self._server.url

    def banner(self) -> str:
        """Return what the service must say, loudly, when it starts on this AWS."""
        return (
            f"SIMULATED AWS: {len(self._accounts.by_id)} pretended accounts at {self.endpoint_url}. "
            "No real account is touched, no key made here works anywhere else, and everything is "
            "forgotten when the process ends. Never use this to protect anything."
        )

    # --- credentials and the truth ---

    def root_credential(self, account_id: str) -> Credential:
        """Return the root key the account began with, whether or not it still exists."""
        return self._accounts.root_credentials[account_id]

    def management_credential(self) -> Credential:
        """Return the key of the management account's IAM user. Raises LookupError without such an account."""
        if self._accounts.manager is None:
            message = "this AWS has no management account"
            raise LookupError(message)
        return self._accounts.manager

    def keys(self, account_id: str) -> dict[str, str]:
        """Return the root keys that exist, id -> "Active" or "Inactive". Not a call, so not counted."""
        with self._lock:
            return self._accounts.by_id[account_id].root_key_statuses()

    def secrets(self, account_id: str) -> dict[str, str]:
        """Return what AWS alone knows, id -> secret of the root keys: whoever looks for a leak has to know it."""
        with self._lock:
            return {
                key.access_key_id: key.secret_access_key for key in self._accounts.by_id[account_id].root.access_keys
            }

    # --- changes by somebody else ---

    def create_root_key(self, account_id: str) -> Credential:
        with self._lock:
            return self._accounts.by_id[account_id].create_root_key()

    def delete_root_key(self, account_id: str, key_id: str) -> None:
        with self._lock:
            self._accounts.by_id[account_id].delete_root_key(key_id)

    def set_root_key_status(self, account_id: str, key_id: str, status: Literal["Active", "Inactive"]) -> None:
        with self._lock:
            self._accounts.by_id[account_id].set_root_key_status(key_id, status)

    def set_summary(
        self,
        account_id: str,
        *,
        mfa: bool | None = None,
        password: bool | None = None,
        signing_certificates: bool | None = None,
    ) -> None:
        """Set what GetAccountSummary answers; None leaves a fact as it is."""
        with self._lock:
            account = self._accounts.by_id[account_id]
            account.mfa = account.mfa if mfa is None else mfa
            account.password = account.password if password is None else password
            if signing_certificates is not None:
                account.signing_certificates = signing_certificates

    def set_organization_features(self, features: Iterable[str]) -> None:
        """Enable exactly these of `RootCredentialsManagement` and `RootSessions`; at first both are."""
        with self._lock:
            self._accounts.organization.features = frozenset(features)

    def expire_root_sessions(self) -> None:
        """End all AssumeRoot sessions now, as if their time had passed."""
        with self._lock:
            self._accounts.keyring.expire_sessions()

    # --- what arrived ---

    @property
    def calls(self) -> list[Call]:
        """Every call so far in the order of arrival; a copy."""
        with self._lock:
            return list(self._calls)

    def count(self, action: str) -> int:
        return sum(call.action == action for call in self.calls)

    # --- what goes wrong ---

    @property
    def propagation_delay(self) -> float:
        """Seconds until a new key authenticates and a deleted or inactive one no longer does; at first 0."""
        return self._accounts.keyring.propagation_delay

    @propagation_delay.setter
    def propagation_delay(self, seconds: float) -> None:
        with self._lock:
            self._accounts.keyring.propagation_delay = seconds

    def fault(self, action: str, fault: Fault, *, times: int = 1, account_id: str | None = None) -> None:
        """Let the next `times` arrivals of an action meet a fault; with `account_id`, those signed from it.

        One call meets one fault, the one that was asked for first.
        """
        self._plan.add_fault(action, fault, times, account_id)

    def on(self, action: str, hook: Hook, *, after: bool = False, times: int = 1) -> None:
        """Run `hook` when the call arrives, or `after` its effect and before the answer.

        It runs in the server's thread and outside its lock, so it may call anything here.
        """
        self._plan.add_hook(action, hook, times, after=after)

    def reset_faults(self) -> None:
        """Forget the waiting faults and hooks, and the propagation delay."""
        self._plan.clear()
        self.propagation_delay = 0.0

    # --- answering ---

    def _answer(self, request: Request) -> Response | None:
        """Answer one request; None means a lost connection."""
        incoming = read(request)
        call = self._record(incoming)
        for hook in self._plan.take_hooks(call.action, after=False):
            hook()
        fault = self._plan.take_fault(call.action, call.account_id)
        if isinstance(fault, Delay):
            self._stopping.wait(fault.seconds)
        if isinstance(fault, ConnectionLostBefore):
            return None
        if isinstance(fault, Throttle | ServerError | Refuse):
            return error_answer(_error(fault))
        answer = self._perform(incoming)
        for hook in self._plan.take_hooks(call.action, after=True):
            hook()
        if isinstance(fault, ConnectionLostAfter):
            return None
        if isinstance(fault, ServerErrorAfter):
            return error_answer(_error(fault))
        return answer

    def _record(self, incoming: Incoming) -> Call:
        with self._lock:
            account_id = self._accounts.keyring.account_of(incoming.access_key_id)
            call = Call(incoming.action, account_id, incoming.access_key_id, dict(incoming.parameters))
            self._calls.append(call)
            return call

    def _perform(self, incoming: Incoming) -> Response:
        try:
            with self._lock:
                return self._accounts.perform(incoming)
        except AwsError as error:
            return error_answer(error)


def _error(fault: Throttle | ServerError | ServerErrorAfter | Refuse) -> AwsError:
    match fault:
        case Throttle():
            return AwsError("Throttling", "Rate exceeded", HTTPStatus.BAD_REQUEST)
        case Refuse(code, status, message):
            return AwsError(code, message, status)
        case ServerError(status) | ServerErrorAfter(status):
            internal = status == HTTPStatus.INTERNAL_SERVER_ERROR
            code = "ServiceFailure" if internal else "ServiceUnavailable"
            return AwsError(code, "A simulated fault of the service.", status)
