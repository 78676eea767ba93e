"""The simulated AWS as one object: start and stop it, read its calls, make it fail."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from moto.core.request import Request
from werkzeug.wrappers import Response

from service.simulated_aws.accounts import Accounts
from service.simulated_aws.answers import AwsError, error_answer
from service.simulated_aws.faults import (
    ConnectionLostAfter,
    ConnectionLostBefore,
    Delay,
    Fault,
    Hook,
    Plan,
    Refuse,
    Rewritten,
    ServerError,
    ServerErrorAfter,
    Throttle,
    Trickle,
    fault_error,
)
from service.simulated_aws.partition import PartitionName, find_partition
from service.simulated_aws.server import Server, as_bytes
from service.simulated_aws.state import State
from service.simulated_aws.wire import Incoming, read


@dataclass(frozen=True)
class Call:
    """One call as it arrived, whatever its outcome.

    `account_id` is the signer's, None if unknown: for AssumeRoot the managing account, for a call in the resulting
    session the member account. The target of AssumeRoot is in the parameters. `region` is the one in the signature.
    """

    action: str
    account_id: str | None
    access_key_id: str | None
    parameters: Mapping[str, str]
    region: str | None = None


class SimulatedAws(State):
    """An AWS of some accounts. Each root user has one active access key, a password and an MFA device.

    `management_account`, if given, makes all accounts an organization; `delegated_administrator` is a member
    of it. Each of the two has an IAM user who may call sts:AssumeRoot into the members,
    iam:ListOrganizationsFeatures, organizations:ListAccounts, the lists of units and tags,
    organizations:DescribeAccount and account:GetPrimaryEmail. They need not be among `account_ids`; if they are not,
    their root users have no key.

    `names` are the accounts' names in the organization; the default is `account-` and four digits. In the
    `partition` `aws-us-gov`, root users have keys but no password and no MFA device; in `aws-cn` there are no root
    users; neither has AssumeRoot. `port` 0 takes a free one.

    Raises ValueError for an invalid account id, an unknown partition, or an impossible organization.
    """

    def __init__(
        self,
        account_ids: Sequence[str],
        *,
        management_account: str | None = None,
        delegated_administrator: str | None = None,
        names: Mapping[str, str] | None = None,
        partition: PartitionName = "aws",
        port: int = 0,
    ) -> None:
        found = find_partition(partition)
        super().__init__(Accounts(account_ids, management_account, delegated_administrator, names or {}, found))
        self._port = port
        self._server: Server | None = None
        self._stopping = threading.Event()
        self._plan = Plan()
        self._calls: list[Call] = []

    # --- life ---

    def start(self) -> None:
        """Listen. State is kept between runs; a new object is a new AWS."""
        if self._server is None:
            self._stopping.clear()
            self._server = Server(self._answer, self._port)

    def stop(self) -> None:
        """Stop listening, and end running delays. Do nothing if not started."""
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
        """Return the warning that the service must log when it starts with this AWS."""
        return (
            f"SIMULATED AWS: {len(self._accounts.by_id)} pretended accounts of the partition "
            f"{self._accounts.partition.name} at {self.endpoint_url}. "
            "No real account is touched, no key made here works anywhere else, and everything is "
            "forgotten when the process ends. Never use this to protect anything."
        )

    # --- what arrived ---

    @property
    def calls(self) -> list[Call]:
        """A copy of all calls so far, in the order of arrival."""
        with self._lock:
            return list(self._calls)

    def count(self, action: str) -> int:
        return sum(call.action == action for call in self.calls)

    # --- what goes wrong ---

    @property
    def propagation_delay(self) -> float:
        """Seconds until a new key authenticates, and until a deleted or inactive one no longer does; initially 0."""
        return self._accounts.keyring.propagation_delay

    @propagation_delay.setter
    def propagation_delay(self, seconds: float) -> None:
        with self._lock:
            self._accounts.keyring.propagation_delay = seconds

    def fault(self, action: str, fault: Fault, *, times: int = 1, account_id: str | None = None) -> None:
        """Inject a fault into the next `times` calls of an action, by any account or only by one.

        A call belongs to the account that signed it. AssumeRoot also belongs to its target, ListTagsForResource to the
        account whose tags they are, GetPrimaryEmail and DescribeAccount to the one that they name; so a fault for
        either the managing account or that one applies. A call meets one fault, the one that was added first.
        """
        self._plan.add_fault(action, fault, times, account_id)

    def on(
        self, action: str, hook: Hook, *, after: bool = False, times: int = 1, account_id: str | None = None
    ) -> None:
        """Run `hook` when the call arrives, or `after` its effect and before the answer.

        `account_id` works as in `fault`. The hook runs in the server's thread and outside its lock, so it may call
        anything here.
        """
        self._plan.add_hook(action, hook, times, account_id, after=after)

    @property
    def page_size(self) -> int | None:
        """The maximum of items on one page of a list; None for as many as requested."""
        return self._accounts.page_size

    @page_size.setter
    def page_size(self, size: int | None) -> None:
        with self._lock:
            self._accounts.page_size = size

    def reset_faults(self) -> None:
        """Remove the waiting faults and hooks, and the propagation delay."""
        self._plan.clear()
        self.propagation_delay = 0.0

    # --- answering ---

    def _answer(self, request: Request) -> Response | Iterable[bytes] | None:
        """Answer one request. None means a lost connection; pieces of bytes are sent unchanged."""
        incoming = read(request)
        account_ids = self._record(incoming)
        for hook in self._plan.take_hooks(incoming.action, account_ids, after=False):
            hook()
        fault = self._plan.take_fault(incoming.action, account_ids)
        if isinstance(fault, Delay):
            self._stopping.wait(fault.seconds)
        if isinstance(fault, ConnectionLostBefore):
            return None
        if isinstance(fault, Throttle | ServerError | Refuse):
            return _fault_answer(fault, incoming)
        instead = fault.of if isinstance(fault, Rewritten) else None
        answer = self._perform(incoming) if instead is None else _fault_answer(instead, incoming)
        for hook in self._plan.take_hooks(incoming.action, account_ids, after=True):
            hook()
        if isinstance(fault, ConnectionLostAfter):
            return None
        if isinstance(fault, ServerErrorAfter):
            return _fault_answer(fault, incoming)
        if isinstance(fault, Trickle):
            return self._byte_by_byte(as_bytes(answer), fault.seconds)
        return [fault.change(as_bytes(answer))] if isinstance(fault, Rewritten) else answer

    def _byte_by_byte(self, answer: bytes, seconds: float) -> Iterator[bytes]:
        for number in range(len(answer)):
            if number and self._stopping.wait(seconds):
                return
            yield answer[number : number + 1]

    def _record(self, incoming: Incoming) -> Collection[str]:
        """Record the call and return the accounts that it concerns."""
        with self._lock:
            account_id = self._accounts.keyring.account_of(incoming.access_key_id)
            call = Call(incoming.action, account_id, incoming.access_key_id, dict(incoming.parameters), incoming.region)
            self._calls.append(call)
            return self._accounts.concerned(incoming)

    def _perform(self, incoming: Incoming) -> Response:
        try:
            with self._lock:
                return self._accounts.perform(incoming)
        except AwsError as error:
            return error_answer(error.translated(incoming.protocol), incoming.protocol)


def _fault_answer(fault: Throttle | ServerError | ServerErrorAfter | Refuse, incoming: Incoming) -> Response:
    return error_answer(fault_error(fault, incoming.protocol), incoming.protocol)
