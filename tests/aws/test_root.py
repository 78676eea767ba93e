"""The way to AWS: boto3's own chain, the proof of who signs, and what each failure means."""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import botocore.session
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)
from support.builders import ACCOUNT, CREATE, DEACTIVATE, MANAGEMENT, NOON, OTHER_ACCOUNT
from support.house import manager_of

from service.aws.errors import CERTAIN_NO, explain, refused_or_in_doubt
from service.aws.root import AwsRoots
from service.aws.signer import Signer
from service.aws.sources import ProfileSource
from service.db.tables import requests
from service.domain.account import Account, SourceKind
from service.domain.capability import Plan
from service.domain.errors import Code, Unavailable
from service.domain.operation import Operation
from service.domain.outcome import Done, InDoubt, Refused
from service.simulated_aws import SimulatedAws

_ACCOUNT = Account(account_id=ACCOUNT, name="production")


@pytest.fixture
def aws() -> Iterator[SimulatedAws]:
    with SimulatedAws([ACCOUNT, OTHER_ACCOUNT]) as aws:
        yield aws


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An AWS configuration file of the test's own, and nothing else that boto3 could find."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    return tmp_path / "config"


def with_keys(aws: SimulatedAws, account_id: str = ACCOUNT) -> str:
    key = aws.root_credential(account_id)
    return (
        f"[profile prod-root]\nendpoint_url = {aws.endpoint_url}\n"
        f"aws_access_key_id = {key.access_key_id}\naws_secret_access_key = {key.secret_access_key}\n"
    )


_READING = Plan(SourceKind.PROFILE)
_CREATING = Plan(SourceKind.PROFILE, CREATE)
_ROOTS = AwsRoots({ACCOUNT: ProfileSource("prod-root")})


def refusal() -> Code:
    with pytest.raises(Unavailable) as refused, _ROOTS.sign_in(_ACCOUNT, _READING):
        pass
    return refused.value.code


def test_a_profile_with_keys_signs_in(aws: SimulatedAws, config: Path) -> None:
    config.write_text(with_keys(aws))
    with _ROOTS.sign_in(_ACCOUNT, _READING) as root:
        assert root.signer_key_id == aws.root_credential(ACCOUNT).access_key_id
        assert root.observe(NOON).statuses == aws.keys(ACCOUNT)


def test_a_session_of_the_root_user_is_no_key_that_aws_lists(config: Path) -> None:
    with SimulatedAws([ACCOUNT], management_account=MANAGEMENT) as aws:
        task = "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"
        with closing(Signer.of(manager_of(aws), "us-east-1").sts()) as sts:
            given = sts.assume_root(TargetPrincipal=ACCOUNT, TaskPolicyArn={"arn": task})["Credentials"]
        config.write_text(
            f"[profile prod-root]\nendpoint_url = {aws.endpoint_url}\naws_access_key_id = {given['AccessKeyId']}\n"
            f"aws_secret_access_key = {given['SecretAccessKey']}\naws_session_token = {given['SessionToken']}\n"
        )
        with _ROOTS.sign_in(_ACCOUNT, _READING) as root:
            assert root.observe(NOON).statuses == aws.keys(ACCOUNT)


def test_a_profile_with_a_credential_process_signs_in(aws: SimulatedAws, config: Path, tmp_path: Path) -> None:
    key = aws.root_credential(ACCOUNT)
    answer = {"Version": 1, "AccessKeyId": key.access_key_id, "SecretAccessKey": key.secret_access_key}
    script = tmp_path / "vault.py"
    script.write_text(f"print({json.dumps(answer)!r})")
    config.write_text(
        f"[profile prod-root]\nendpoint_url = {aws.endpoint_url}\ncredential_process = {sys.executable} {script}\n"
    )
    with _ROOTS.sign_in(_ACCOUNT, _READING) as root:
        assert root.signer_key_id == key.access_key_id


@pytest.mark.parametrize(
    "program",
    ["/no/such/program", "{python} -c pass", "{python} -c print([])", "{python} -c exit(1)", "{python} {sleeper}"],
)
def test_a_credential_program_that_fails_or_hangs_is_an_account_out_of_reach(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setattr("service.aws.programs.SECONDS", 1.0)
    sleeper = tmp_path / "sleeper.py"
    # A child that keeps the pipe open is not waited for either.
    sleeper.write_text("import subprocess, signal; subprocess.Popen(['sleep', '600']); signal.pause()")
    command = program.format(python=sys.executable, sleeper=sleeper)
    config.write_text(f"[profile prod-root]\ncredential_process = {command}\n")
    assert refusal() is Code.ACCOUNT_UNREACHABLE


def test_a_credential_that_was_rotated_is_used_at_once(aws: SimulatedAws, config: Path) -> None:
    config.write_text(with_keys(aws))
    with _ROOTS.sign_in(_ACCOUNT, _READING):
        pass
    rotated = aws.create_root_key(ACCOUNT)
    old = aws.root_credential(ACCOUNT)
    content = with_keys(aws).replace(old.access_key_id, rotated.access_key_id)
    config.write_text(content.replace(old.secret_access_key, rotated.secret_access_key))
    with _ROOTS.sign_in(_ACCOUNT, _READING) as root:
        assert root.signer_key_id == rotated.access_key_id


def test_another_accounts_root_is_refused(aws: SimulatedAws, config: Path) -> None:
    config.write_text(with_keys(aws, OTHER_ACCOUNT))
    assert refusal() is Code.ROOT_NOT_PROVED
    assert [call.action for call in aws.calls] == ["GetCallerIdentity"]


@pytest.mark.parametrize("content", ["", "[profile prod-root]\nregion = us-east-1\n"])
def test_a_profile_without_a_credential_is_refused(config: Path, content: str) -> None:
    config.write_text(content)
    assert refusal() is Code.ACCOUNT_UNREACHABLE


def test_a_profile_of_which_only_the_secret_is_wrong_is_refused(aws: SimulatedAws, config: Path) -> None:
    key = aws.root_credential(ACCOUNT)
    config.write_text(with_keys(aws).replace(key.secret_access_key, "x" * 40))
    assert refusal() is Code.ACCOUNT_UNREACHABLE


def test_the_session_keeps_the_credential_that_was_proved(aws: SimulatedAws, config: Path) -> None:
    config.write_text(with_keys(aws))
    with _ROOTS.sign_in(_ACCOUNT, _CREATING) as root:
        config.write_text(with_keys(aws, OTHER_ACCOUNT))
        assert isinstance(root.perform(Operation(CREATE)), Done)
    assert len(aws.keys(ACCOUNT)) == 2
    assert {call.account_id for call in aws.calls} == {ACCOUNT}


def test_the_loggers_that_would_show_a_secret_are_pinned(aws: SimulatedAws, config: Path) -> None:
    config.write_text(with_keys(aws))
    for name in ("botocore", "boto3", "urllib3"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    with _ROOTS.sign_in(_ACCOUNT, _READING):
        pass
    for name in ("botocore.parsers", "botocore.credentials", "urllib3.connectionpool", "boto3"):
        assert logging.getLogger(name).getEffectiveLevel() == logging.CRITICAL


_REQUEST_ID = "7a62c49f-347e-4fc4-9331-6e8e00000000"


def client_error(
    status: int, code: object = "AccessDenied", tries_before: int = 0, request_id: object = _REQUEST_ID
) -> ClientError:
    metadata = {"HTTPStatusCode": status, "RetryAttempts": tries_before, "RequestId": request_id, "HTTPHeaders": {}}
    answer = {"Error": {"Code": code, "Message": "arn:aws:iam::111122223333:root"}, "ResponseMetadata": metadata}
    return ClientError(answer, "UpdateAccessKey")  # type: ignore[arg-type]  # what botocore makes of an answer


_WRITES = ("CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey", "CreateLoginProfile", "DeleteLoginProfile",
           "DeactivateMFADevice", "DeleteSigningCertificate")  # fmt: skip
_TIMEOUT = {"endpoint_url": "https://iam.amazonaws.com", "error": "timed out"}


@pytest.mark.parametrize(
    ("error", "sent_once", "meaning"),
    [
        (client_error(403), True, Refused),
        (client_error(400, "Throttling"), True, Refused),
        (client_error(409, "LimitExceeded"), True, Refused),
        (client_error(404, "NoSuchEntity"), False, Refused),
        # The first try may have deleted the key that the second one no longer finds.
        (client_error(404, "NoSuchEntity", tries_before=1), False, InDoubt),
        (client_error(400, "Throttling", tries_before=2), False, InDoubt),
        (client_error(500, "ServiceFailure"), True, InDoubt),
        (client_error(503, "ServiceUnavailable"), True, InDoubt),
        (client_error(302, "Found"), True, InDoubt),
        # What AWS says of itself, of the connection or of the time, whatever the status.
        (client_error(408, "RequestTimeout"), True, InDoubt),
        (client_error(400, "RequestTimeoutException"), True, InDoubt),
        (client_error(400, "RequestAbortedException"), True, InDoubt),
        (client_error(400, "PriorRequestNotComplete"), True, InDoubt),
        (client_error(400, "InternalFailure"), True, InDoubt),
        (client_error(400, "ServiceUnavailable"), True, InDoubt),
        (client_error(403, "UrlFiltered"), True, InDoubt),
        # A name of AWS's under a status that AWS does not give it.
        (client_error(407), True, InDoubt),
        (client_error(408), True, InDoubt),
        (client_error(429, "Throttling"), True, InDoubt),
        (client_error(499, "LimitExceeded"), True, InDoubt),
        # Never connected, and never tried before: nothing was sent.
        (EndpointConnectionError(**_TIMEOUT), True, Refused),
        (ConnectTimeoutError(**_TIMEOUT), True, Refused),
        (EndpointConnectionError(**_TIMEOUT), False, InDoubt),
        (ConnectTimeoutError(**_TIMEOUT), False, InDoubt),
        (ReadTimeoutError(**_TIMEOUT), True, InDoubt),
        (ConnectionClosedError(**_TIMEOUT), True, InDoubt),
        (KeyError("AccessKey"), True, InDoubt),
        (MemoryError(), True, InDoubt),
    ],
)
def test_only_what_is_certain_is_a_refusal(error: Exception, sent_once: bool, meaning: type[object]) -> None:  # noqa: FBT001
    assert isinstance(refused_or_in_doubt(error, signer_key_id="A", sent_once=sent_once), meaning)


def test_only_a_target_that_aws_does_not_know_is_gone() -> None:
    gone, denied = (
        refused_or_in_doubt(client_error(status, code), signer_key_id="A", sent_once=False)
        for status, code in ((404, "NoSuchEntity"), (403, "AccessDenied"))
    )

    assert isinstance(gone, Refused)
    assert (gone.code, gone.is_gone) == ("aws_NoSuchEntity", True)
    assert isinstance(denied, Refused)
    assert (denied.code, denied.is_gone) == ("aws_AccessDenied", False)


def test_every_certain_no_of_awss_fits_into_the_database() -> None:
    longest = getattr(requests.c.result_code.type, "length", 0)
    assert max(len(f"aws_{code}") for code in CERTAIN_NO) <= longest


@pytest.mark.parametrize("code", ["InvalidClientTokenId", "InvalidClientTokenIdException", "NotAuthorized"])
def test_a_refusal_never_shows_the_message_of_aws(code: str) -> None:
    refused = refused_or_in_doubt(client_error(403, code), signer_key_id="A", sent_once=True)
    assert isinstance(refused, Refused)
    assert "arn:" not in refused.detail
    assert refused.aws_request_id == _REQUEST_ID


def test_whatever_botocores_model_calls_the_senders_fault_refuses_and_nothing_else_that_it_declares() -> None:
    model = botocore.session.Session().get_service_model("iam")
    declared = [shape.metadata["error"] for name in _WRITES for shape in model.operation_model(name).error_shapes]
    senders = {error["code"] for error in declared if error.get("senderFault")}
    assert len(senders) == 7
    assert {error["code"] for error in declared} & CERTAIN_NO == senders


# What botocore makes a code of where none of AWS's is: the status, the text of a page, a tag that stands twice.
@pytest.mark.parametrize("code", ["403", "", "<script>", "unknown", "Access Denied", "x" * 40, "A" * 65, None, ["A"]])
def test_a_code_that_is_none_of_awss_refuses_nothing(code: object) -> None:
    judged = refused_or_in_doubt(client_error(403, code), signer_key_id="A", sent_once=True)
    assert isinstance(judged, InDoubt)
    assert "<" not in judged.detail


@pytest.mark.parametrize(
    "request_id", [None, "", "r-1", "BLUECOATPROXY01", "s3cret/" + "x" * 33, "Abcd" * 10, ["a", "b"]]
)
def test_without_a_request_id_of_awss_nothing_is_refused_and_none_is_recorded(request_id: object) -> None:
    judged = refused_or_in_doubt(client_error(403, request_id=request_id), signer_key_id="A", sent_once=True)
    assert isinstance(judged, InDoubt)
    assert judged.aws_request_id is None


@pytest.mark.parametrize("name", ["x-amzn-requestid", "x-amz-request-id"])
def test_a_request_id_in_a_header_is_enough_to_name_an_error_but_not_to_refuse_a_write(name: str) -> None:
    """Not every protocol of AWS's has it in the body, as IAM's has."""
    error = client_error(403, request_id=None)
    error.response["ResponseMetadata"]["HTTPHeaders"] = {name: _REQUEST_ID}
    assert explain(error)[1].endswith("(AccessDenied)")
    assert isinstance(refused_or_in_doubt(error, signer_key_id="A", sent_once=True), InDoubt)


@pytest.mark.parametrize(("in_header", "meaning"), [(_REQUEST_ID, Refused), (_REQUEST_ID[::-1], InDoubt)])
def test_an_id_in_the_header_has_to_be_the_one_in_the_body(in_header: str, meaning: type) -> None:
    error = client_error(403)
    error.response["ResponseMetadata"]["HTTPHeaders"] = {"x-amzn-requestid": in_header}
    assert isinstance(refused_or_in_doubt(error, signer_key_id="A", sent_once=True), meaning)


def test_an_operation_on_a_key_never_names_a_user(aws: SimulatedAws, config: Path) -> None:
    config.write_text(with_keys(aws))
    spare = aws.create_root_key(ACCOUNT).access_key_id
    with _ROOTS.sign_in(_ACCOUNT, _CREATING) as root:
        root.perform(Operation(DEACTIVATE, spare))
    assert aws.calls[-1].parameters == {"AccessKeyId": spare, "Status": "Inactive"}
