"""Clients that outlive a sign-in: each call is signed with the credential of its own sign-in, or not at all."""

import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from botocore.httpsession import URLLib3Session
from support.builders import ACCOUNT, CREATE, NOON, OTHER_ACCOUNT

from service.aws import kept_clients
from service.aws.calls import ONCE, REPEATABLE
from service.aws.kept_clients import LentClient, lend, making_of
from service.aws.root import AwsRoots
from service.aws.sources import ProfileSource, bare_session
from service.domain.account import Account, SourceKind
from service.domain.capability import Plan
from service.domain.operation import Operation
from service.simulated_aws import ServerError, SimulatedAws

ACCOUNTS = {account_id: Account(account_id=account_id, name=account_id) for account_id in (ACCOUNT, OTHER_ACCOUNT)}
ROOTS = AwsRoots({account_id: ProfileSource(f"root-{account_id}") for account_id in ACCOUNTS})
READING, CREATING = Plan(SourceKind.PROFILE), Plan(SourceKind.PROFILE, CREATE)


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    kept_clients._kept.clear()
    yield
    kept_clients._kept.clear()


@pytest.fixture
def aws() -> Iterator[SimulatedAws]:
    with SimulatedAws(list(ACCOUNTS)) as aws:
        yield aws


@pytest.fixture
def config(aws: SimulatedAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Profiles of both accounts, and nothing else that boto3 could find."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    (tmp_path / "config").write_text("".join(profile(aws, account_id) for account_id in ACCOUNTS))
    return tmp_path / "config"


def profile(aws: SimulatedAws, account_id: str, *more: str) -> str:
    key = aws.root_credential(account_id)
    lines = (
        f"[profile root-{account_id}]",
        f"endpoint_url = {aws.endpoint_url}",
        f"aws_access_key_id = {key.access_key_id}",
        f"aws_secret_access_key = {key.secret_access_key}",
        *more,
    )
    return "\n".join(lines) + "\n"


@pytest.fixture
def signers(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """The thread and the key of every request that goes out."""
    sent: list[tuple[int, str]] = []
    send = URLLib3Session.send

    def seen(session: URLLib3Session, request: Any) -> Any:
        signed = request.headers["Authorization"]
        text = signed.decode() if isinstance(signed, bytes) else signed
        sent.append((threading.get_ident(), text.partition("Credential=")[2].partition("/")[0]))
        return send(session, request)

    monkeypatch.setattr(URLLib3Session, "send", seen)
    return sent


def look(account_id: str) -> None:
    with ROOTS.sign_in(ACCOUNTS[account_id], READING) as root:
        root.observe(NOON)


def lent(account_id: str, service: str = "iam", settings: Config = REPEATABLE) -> LentClient:
    session = ProfileSource(f"root-{account_id}").session()
    credentials = session.get_credentials()
    assert credentials is not None
    frozen = credentials.get_frozen_credentials()
    return lend(making_of(session), frozen, service, region="us-east-1", endpoint_url=None, config=settings)


@pytest.mark.usefixtures("config")
def test_sign_ins_of_two_accounts_in_turn_share_clients_and_never_a_credential(
    aws: SimulatedAws, signers: list[tuple[int, str]]
) -> None:
    for account_id in (ACCOUNT, OTHER_ACCOUNT, ACCOUNT):
        signers.clear()
        look(account_id)
        assert {key for _, key in signers} == {aws.root_credential(account_id).access_key_id}
    assert len(kept_clients._kept) == 2  # one of STS and one of IAM


@pytest.mark.usefixtures("config")
def test_each_of_many_threads_signs_with_the_credential_of_its_own_sign_in(
    aws: SimulatedAws, signers: list[tuple[int, str]]
) -> None:
    own: dict[int, set[str]] = {}
    started = threading.Barrier(4)

    def sign_in_again_and_again(account_id: str) -> None:
        own[threading.get_ident()] = {aws.root_credential(account_id).access_key_id}
        started.wait()
        for _ in range(4):
            look(account_id)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(sign_in_again_and_again, [ACCOUNT, OTHER_ACCOUNT] * 2))
    used = {thread: {key for of, key in signers if of == thread} for thread in own}
    assert used == own


@pytest.mark.usefixtures("config")
def test_two_sign_ins_that_are_open_at_once_in_one_thread_do_not_mix(
    aws: SimulatedAws, signers: list[tuple[int, str]]
) -> None:
    ids = {account_id: aws.root_credential(account_id).access_key_id for account_id in ACCOUNTS}
    with ROOTS.sign_in(ACCOUNTS[ACCOUNT], CREATING) as one, ROOTS.sign_in(ACCOUNTS[OTHER_ACCOUNT], CREATING) as other:
        for root, account_id in ((one, ACCOUNT), (other, OTHER_ACCOUNT), (one, ACCOUNT)):
            signers.clear()
            assert root.observe(NOON).statuses == aws.keys(account_id)
            assert {key for _, key in signers} == {ids[account_id]}
        other.perform(Operation(CREATE))
    assert (len(aws.keys(ACCOUNT)), len(aws.keys(OTHER_ACCOUNT))) == (1, 2)


@pytest.mark.usefixtures("config")
def test_after_an_exception_between_two_calls_the_next_sign_in_signs_with_its_own(
    aws: SimulatedAws, signers: list[tuple[int, str]]
) -> None:
    with pytest.raises(ZeroDivisionError), ROOTS.sign_in(ACCOUNTS[ACCOUNT], CREATING):
        raise ZeroDivisionError
    signers.clear()
    look(OTHER_ACCOUNT)
    assert {key for _, key in signers} == {aws.root_credential(OTHER_ACCOUNT).access_key_id}


@pytest.mark.usefixtures("config")
def test_a_kept_client_by_itself_signs_nothing_and_sends_nothing(signers: list[tuple[int, str]]) -> None:
    look(ACCOUNT)
    signers.clear()
    for _, client in kept_clients._kept:
        call = client.get_caller_identity if hasattr(client, "get_caller_identity") else client.list_access_keys
        with pytest.raises(NoCredentialsError):
            call()
    assert signers == []


@pytest.mark.usefixtures("config")
def test_a_client_that_was_given_back_makes_no_call_though_another_sign_in_has_it(
    signers: list[tuple[int, str]],
) -> None:
    before = lent(ACCOUNT)
    call: Callable[[], Any] = before.list_access_keys
    before.close()
    now = lent(OTHER_ACCOUNT)
    now.list_access_keys()
    signers.clear()
    for old in (call, before.list_access_keys):
        with pytest.raises(RuntimeError):
            old()
    assert signers == []


@pytest.mark.usefixtures("config")
def test_a_client_serves_one_sign_in_at_a_time() -> None:
    lent(ACCOUNT).close()
    first, second = lent(ACCOUNT), lent(ACCOUNT)
    assert first._client is not second._client


@pytest.mark.usefixtures("config")
def test_a_client_given_back_twice_is_kept_once() -> None:
    client = lent(ACCOUNT)
    client.close()
    client.close()
    assert len(kept_clients._kept) == 1


@pytest.mark.usefixtures("config")
def test_no_credential_can_be_reached_from_what_is_kept(aws: SimulatedAws) -> None:
    with ROOTS.sign_in(ACCOUNTS[ACCOUNT], CREATING) as root:
        root.observe(NOON)
    secret = aws.root_credential(ACCOUNT).secret_access_key
    assert len(kept_clients._kept) == 3
    assert not [text for text in texts_from(kept_clients._kept) if secret in text]


def texts_from(start: object) -> Iterator[str]:
    """Yield all strings that can be reached without the names of modules and classes."""
    found, left = {id(start)}, [start]
    while left:
        each = left.pop()
        if isinstance(each, str | bytes):
            yield each if isinstance(each, str) else each.decode("latin-1")
        if isinstance(each, FunctionType):
            following = [each.__closure__, each.__defaults__, each.__kwdefaults__]
        else:
            following = [] if isinstance(each, ModuleType | type) else gc.get_referents(each)
        new = [one for one in following if id(one) not in found]
        found.update(map(id, new))
        left += new


@pytest.mark.usefixtures("config")
def test_what_is_reached_from_a_client_that_is_lent_has_its_credential(aws: SimulatedAws) -> None:
    """Otherwise the test before would find nothing, wherever a credential is kept."""
    client = lent(ACCOUNT)
    secret = aws.root_credential(ACCOUNT).secret_access_key
    assert [text for text in texts_from(client) if secret in text]


def test_a_rotated_credential_is_used_at_the_next_sign_in(
    aws: SimulatedAws, config: Path, signers: list[tuple[int, str]]
) -> None:
    look(ACCOUNT)
    config.write_text(profile(aws, OTHER_ACCOUNT).replace(OTHER_ACCOUNT, ACCOUNT))
    signers.clear()
    lent(ACCOUNT).list_access_keys()
    assert [key for _, key in signers] == [aws.root_credential(OTHER_ACCOUNT).access_key_id]


@pytest.mark.parametrize("option", ["use_fips_endpoint = true", "ca_bundle = /dev/null", "new_option_of_boto3 = 1"])
def test_another_setting_of_the_profile_makes_another_client(aws: SimulatedAws, config: Path, option: str) -> None:
    lent(ACCOUNT).close()
    config.write_text(profile(aws, ACCOUNT, option))
    assert lent(ACCOUNT)._kind != kept_clients._kept[0][0]
    assert len(kept_clients._kept) == 1


@pytest.mark.usefixtures("config")
def test_a_sign_in_adds_nothing_to_what_all_share() -> None:
    def shared() -> tuple[list[str], str]:
        session = bare_session(None)
        handlers = session.get_component("event_emitter")._emitter._handlers
        return list(session.get_component("data_loader").search_paths), str(vars(handlers))

    lent(ACCOUNT).list_access_keys()
    before = shared()
    lent(ACCOUNT, settings=ONCE).list_access_keys()
    assert shared() == before


@pytest.mark.usefixtures("config")
def test_what_is_registered_with_one_client_no_other_hears() -> None:
    """Sessions share their handlers."""
    heard = list[object]()
    one, other = lent(ACCOUNT), lent(ACCOUNT)
    one._client.meta.events.register("before-call", lambda **event: heard.append(event["model"].name))
    other.list_access_keys()
    lent(OTHER_ACCOUNT).list_access_keys()
    assert heard == []
    one.list_access_keys()
    assert heard == ["ListAccessKeys"]


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "AWS_ENDPOINT_URL_IAM", "NO_PROXY"])
def test_another_environment_makes_another_client(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    lent(ACCOUNT).close()
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert lent(ACCOUNT)._kind != kept_clients._kept[0][0]


@pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", None])
def test_an_authority_that_has_left_the_file_of_trusted_certificates_is_trusted_no_longer(
    aws: SimulatedAws, config: Path, monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    """OpenSSL adds what a connection reads to what the client's earlier connections have read."""
    trusted = config.parent / "trusted.pem"
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    if name is None:
        config.write_text(profile(aws, ACCOUNT, f"ca_bundle = {trusted}"))
    else:
        monkeypatch.setenv(name, str(trusted))
    trusted.write_text("one authority")
    lent(ACCOUNT).close()
    lent(ACCOUNT).close()
    assert len(kept_clients._kept) == 1
    trusted.write_text("two authority")
    assert lent(ACCOUNT)._kind != kept_clients._kept[0][0]


def test_the_endpoint_of_a_section_of_services_counts(aws: SimulatedAws, config: Path) -> None:
    away = "[services away]\niam =\n  endpoint_url = http://127.0.0.1:9\n"
    config.write_text(profile(aws, ACCOUNT, "services = away") + away)
    client = lent(ACCOUNT, settings=ONCE)
    with pytest.raises(EndpointConnectionError):
        client.list_access_keys()


@pytest.mark.usefixtures("config")
def test_a_client_is_not_kept_after_a_call_that_failed() -> None:
    client = lent(ACCOUNT)
    with pytest.raises(ClientError):
        client.update_access_key(AccessKeyId="AKIA0000000000000000", Status="Inactive")
    client.close()
    assert not kept_clients._kept


@pytest.mark.usefixtures("config")
def test_a_client_is_not_kept_after_a_retry_because_it_may_make_only_so_many(aws: SimulatedAws) -> None:
    aws.fault("ListAccessKeys", ServerError())
    client = lent(ACCOUNT)
    assert client.list_access_keys()["ResponseMetadata"]["RetryAttempts"] == 1
    client.close()
    assert not kept_clients._kept


@pytest.mark.usefixtures("config")
def test_a_kept_client_has_no_connection_so_that_a_create_never_goes_out_on_an_old_one() -> None:
    client = lent(ACCOUNT)
    client.list_access_keys()
    pools = client._client._endpoint.http_session._manager.pools
    assert len(pools) == 1
    client.close()
    assert len(pools) == 0


def test_so_many_clients_are_kept_and_the_oldest_goes_first() -> None:
    kinds = [
        kept_clients._Kind("iam", "us-east-1", None, ONCE, number.to_bytes())
        for number in range(kept_clients._MOST + 1)
    ]
    for kind in kinds:
        LentClient(kind, _Closable(), ReadOnlyCredentials("AKIA", "secret", None, None)).close()
    assert [kind for kind, _ in kept_clients._kept] == kinds[1:]


class _Closable:
    """What the shelf needs of a client."""

    def close(self) -> None:
        """Close nothing."""
