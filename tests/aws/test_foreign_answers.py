"""What answers need not be AWS: a captive portal, a proxy, a filter, or AWS's own words cut on the way."""

import json
import logging
import re
import traceback
from collections.abc import Iterator
from datetime import timedelta

import pytest
from support.answers import (
    CANARY,
    DOUBTFUL,
    KINDS,
    PAGES,
    Change,
    broken_session,
    error_of,
    on_body,
    page,
    saying,
    with_headers_of_aws,
    without,
)
from support.builders import (
    ACCOUNT,
    ACTIVATE,
    ALLOW_PASSWORD,
    BOTH,
    CREATE,
    DEACTIVATE,
    DEACTIVATE_MFA,
    DELETE,
    DELETE_CERTIFICATE,
    DELETE_PASSWORD,
    LOCKING,
    MANAGEMENT,
    MEMBER,
    NOON,
    UNLOCK_BUCKET,
    UNLOCK_QUEUE,
    policy_of,
)
from support.house import House, manager_of, source_of
from support.logs import capture_logs

from service.aws.organization import Listing, Organization
from service.aws.root import AwsRoots
from service.aws.signer import AssumedRoot
from service.domain.account import Account, Part, SourceKind
from service.domain.capability import Plan
from service.domain.errors import Code, Unavailable
from service.domain.operation import Operation, OperationName
from service.domain.outcome import CreatedKey, Done, InDoubt, Outcome
from service.simulated_aws import Refuse, Rewritten, SimulatedAws
from service.worker import run_pass

pytestmark = [
    pytest.mark.usefixtures("no_back_off", "torn_connections"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

_OWN = Account(account_id=ACCOUNT, name="production")
_MEMBER = Account(account_id=MEMBER, name="member", has_profile=False, organization="main")
_ALL = tuple(Part)
_BUCKET = Operation(UNLOCK_BUCKET, "locked")
_QUEUE = Operation(UNLOCK_QUEUE, f"arn:aws:sqs:us-east-1:{MEMBER}:locked")
_ANY_ID = "7a62c49f-347e-4fc4-9331-6e8e00000000"

# Which fields of which answer are read.
_FIELDS = {
    "GetCallerIdentity": ("Arn", "GetCallerIdentityResult"),
    "AssumeRoot": ("Credentials", "AccessKeyId", "SecretAccessKey", "SessionToken"),
    "ListAccessKeys": ("AccessKeyMetadata", "AccessKeyId", "Status", "CreateDate", "ListAccessKeysResult"),
    "GetAccountSummary": ("SummaryMap", "GetAccountSummaryResult"),
    "GetAccessKeyLastUsed": ("AccessKeyLastUsed", "ServiceName", "Region", "LastUsedDate"),
    "GetLoginProfile": ("LoginProfile", "CreateDate"),
    "ListMFADevices": ("MFADevices", "SerialNumber"),
    "ListSigningCertificates": ("Certificates", "CertificateId", "Status"),
}
_GARBLED = {
    ("GetCallerIdentity", "Arn"): "root",
    ("AssumeRoot", "AccessKeyId"): CANARY,
    ("AssumeRoot", "SecretAccessKey"): "",
    ("ListAccessKeys", "CreateDate"): "N/A",
    ("ListAccessKeys", "AccessKeyId"): CANARY,
    ("ListAccessKeys", "Status"): "<b>Active</b>",
    ("GetAccessKeyLastUsed", "LastUsedDate"): "N/A",
    ("GetAccountSummary", "value"): "many",
    ("GetLoginProfile", "CreateDate"): "N/A",
    ("ListMFADevices", "SerialNumber"): "a b c d e f g h i",
    ("ListSigningCertificates", "CertificateId"): "short",
}


@pytest.fixture
def aws() -> Iterator[SimulatedAws]:
    with SimulatedAws([ACCOUNT, MEMBER, BOTH], management_account=MANAGEMENT) as aws:
        aws.add_signing_certificate(MEMBER)
        aws.add_bucket(MEMBER, "locked", LOCKING)
        aws.add_queue(MEMBER, "locked", LOCKING)
        yield aws


def roots(aws: SimulatedAws) -> AwsRoots:
    return AwsRoots(
        {ACCOUNT: source_of(aws, ACCOUNT)}, {"main": AssumedRoot(manager_of(aws), "us-east-1")}, now=lambda: NOON
    )


def refusal_of_a_read(aws: SimulatedAws, account: Account) -> Unavailable:
    source = SourceKind.PROFILE if account.has_profile else SourceKind.ASSUME_ROOT
    with pytest.raises(Unavailable) as refused, roots(aws).sign_in(account, Plan(source)) as root:
        root.observe(NOON, *_ALL)
    return refused.value


# Which fields of which answer about a bucket or queue are read.
_OF_RESOURCES = {
    ("ListBuckets", _BUCKET): ("Owner", "BucketRegion"),
    ("GetBucketPolicy", _BUCKET): (),
    ("GetQueueUrl", _QUEUE): ("QueueUrl",),
    ("GetQueueAttributes", _QUEUE): ("QueueArn",),
}


def refusal_of_reading(aws: SimulatedAws, resource: Operation) -> Unavailable:
    plan = Plan(SourceKind.ASSUME_ROOT, None, resource)
    with pytest.raises(Unavailable) as refused, roots(aws).sign_in(_MEMBER, plan) as root:
        root.observe(NOON, Part.RESOURCE_POLICY)
    return refused.value


@pytest.mark.parametrize(
    ("call", "resource", "what"),
    [("GetBucketPolicy", _BUCKET, what) for what in PAGES]
    + [(*where, what) for where in _OF_RESOURCES if where[1] is _QUEUE for what in KINDS],
)
def test_nobody_else_says_what_the_policy_of_a_resource_is(
    aws: SimulatedAws, caplog: pytest.LogCaptureFixture, call: str, resource: Operation, what: str
) -> None:
    caplog.set_level(logging.DEBUG)
    aws.fault(call, Rewritten(PAGES[what]), times=9)
    check_is_told(refusal_of_reading(aws, resource), _MEMBER, call, caplog)


@pytest.mark.parametrize(
    ("call", "resource", "field"), [(*where, field) for where, fields in _OF_RESOURCES.items() for field in fields]
)
def test_an_answer_about_a_resource_that_lacks_what_is_read_is_not_believed(
    aws: SimulatedAws, caplog: pytest.LogCaptureFixture, call: str, resource: Operation, field: str
) -> None:
    aws.fault(call, Rewritten(without(field)))
    check_is_told(refusal_of_reading(aws, resource), _MEMBER, call, caplog)


@pytest.mark.parametrize("request_id", ["", "<RequestId>4442587FB7D0A2F9</RequestId>"])
def test_nobody_but_s3_says_that_there_is_no_policy(aws: SimulatedAws, request_id: str) -> None:
    said = f"<Error><Code>NoSuchBucketPolicy</Code>{request_id}</Error>"
    aws.fault("GetBucketPolicy", Rewritten(with_headers_of_aws("404 Not Found", said)))
    assert "GetBucketPolicy: " in refusal_of_reading(aws, _BUCKET).exact


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (UNLOCK_BUCKET, "<Error><Code>AccessDenied</Code></Error>"),
        (UNLOCK_BUCKET, "<Error><Code>AccessDenied</Code><RequestId>4442587FB7D0A2F9</RequestId></Error>"),
        (UNLOCK_QUEUE, '{"__type": "AccessDenied"}'),
    ],
)
def test_a_refusal_in_somebody_elses_words_with_the_headers_of_aws_is_in_doubt(
    aws: SimulatedAws, name: OperationName, said: str
) -> None:
    """The policy is gone by then."""
    aws.fault(_ACTS[name], Rewritten(with_headers_of_aws("403 Forbidden", said)))
    assert isinstance(perform(aws, name, on=target(aws, name)), InDoubt)


def use_the_key_of(aws: SimulatedAws, account_id: str) -> None:
    own = Account(account_id=account_id, name="own")
    with AwsRoots({account_id: source_of(aws, account_id)}).sign_in(own, Plan(SourceKind.PROFILE)):
        pass


def check_is_told(refused: Unavailable, account: Account, call: str, caplog: pytest.LogCaptureFixture) -> None:
    assert refused.code is Code.ACCOUNT_UNREACHABLE
    assert f"account {account.account_id} by " in refused.exact
    assert call in refused.exact
    everything = f"{refused.exact}{refused.detail}{''.join(traceback.format_exception(refused))}{caplog.text}"
    assert CANARY not in everything
    assert CANARY[:12] not in everything


@pytest.mark.parametrize(
    ("call", "what"),
    [("ListAccessKeys", what) for what in PAGES]
    + [(call, what) for call in _FIELDS if call != "ListAccessKeys" for what in KINDS],
)
def test_a_read_that_somebody_else_answers_is_an_account_out_of_reach(
    aws: SimulatedAws, caplog: pytest.LogCaptureFixture, call: str, what: str
) -> None:
    caplog.set_level(logging.DEBUG)
    account = _OWN if call in {"GetCallerIdentity", "ListAccessKeys", "GetAccountSummary"} else _MEMBER
    aws.fault(call, Rewritten(PAGES[what]), times=9)
    check_is_told(refusal_of_a_read(aws, account), account, call, caplog)


@pytest.mark.parametrize(("call", "field"), [(call, field) for call, fields in _FIELDS.items() for field in fields])
def test_an_answer_that_lacks_what_is_read_is_an_account_out_of_reach(
    aws: SimulatedAws, caplog: pytest.LogCaptureFixture, call: str, field: str
) -> None:
    use_the_key_of(aws, MEMBER)
    aws.fault(call, Rewritten(without(field)))
    check_is_told(refusal_of_a_read(aws, _MEMBER), _MEMBER, call, caplog)


@pytest.mark.parametrize("kept", ["ServiceName", "Region"])
def test_no_date_of_use_is_fine_only_where_neither_service_nor_region_is_named(aws: SimulatedAws, kept: str) -> None:
    """A key in use must not look like one that nobody ever used, for that one may be rolled back."""
    gone = next(name for name in ("ServiceName", "Region") if name != kept)
    use_the_key_of(aws, MEMBER)
    aws.fault("GetAccessKeyLastUsed", Rewritten(lambda real: saying(gone, "N/A")(without("LastUsedDate")(real))))
    assert "GetAccessKeyLastUsed: " in refusal_of_a_read(aws, _MEMBER).exact


def test_a_key_that_was_never_used_has_no_date_of_use(aws: SimulatedAws) -> None:
    aws.create_root_key(MEMBER)
    with roots(aws).sign_in(_MEMBER, Plan(SourceKind.ASSUME_ROOT)) as root:
        assert {key.last_used_at for key in root.observe(NOON, Part.LAST_USE).keys} == {None}


_FLAGS = ("AccountAccessKeysPresent", "AccountMFAEnabled", "AccountSigningCertificatesPresent")


def without_flag(name: str) -> Change:
    return on_body(lambda body: re.sub(rf"<entry>\s*<key>{name}</key>.*?</entry>", "", body, flags=re.DOTALL))


@pytest.mark.parametrize("flag", _FLAGS)
def test_a_summary_without_a_flag_is_an_account_out_of_reach(aws: SimulatedAws, flag: str) -> None:
    """Without the one of MFA nobody would notice that the device had gone."""
    aws.fault("GetAccountSummary", Rewritten(without_flag(flag)))
    assert f"GetAccountSummary: The answer was none that AWS gives: {flag} is" in refusal_of_a_read(aws, _OWN).exact


def test_a_summary_that_is_silent_about_the_password_leaves_it_open(aws: SimulatedAws) -> None:
    """Its flag came years after the others."""
    aws.fault("GetAccountSummary", Rewritten(without_flag("AccountPasswordPresent")))
    with roots(aws).sign_in(_OWN, Plan(SourceKind.PROFILE)) as root:
        found = root.observe(NOON, Part.SUMMARY)
    assert (found.mfa_enabled, found.password_present) == (True, None)


@pytest.mark.parametrize(("call", "field", "value"), [(*where, value) for where, value in _GARBLED.items()])
def test_an_answer_with_something_else_in_a_field_is_an_account_out_of_reach(
    aws: SimulatedAws, caplog: pytest.LogCaptureFixture, call: str, field: str, value: str
) -> None:
    use_the_key_of(aws, MEMBER)
    aws.fault(call, Rewritten(saying(field, value)))
    check_is_told(refusal_of_a_read(aws, _MEMBER), _MEMBER, call, caplog)


def test_a_broken_assume_root_shows_its_session_to_nobody(aws: SimulatedAws, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    seen: list[str] = []
    aws.fault("AssumeRoot", Rewritten(broken_session(seen)))
    refused = refusal_of_a_read(aws, _MEMBER)
    assert "AssumeRoot: The answer was none that AWS gives (ResponseParserError)." in refused.exact
    assert len(seen) == 2
    told = f"{refused.exact}{''.join(traceback.format_exception(refused))}{caplog.text}"
    assert not [secret for secret in seen if secret in told]


_ACTS = {
    CREATE: "CreateAccessKey",
    DEACTIVATE: "UpdateAccessKey",
    ACTIVATE: "UpdateAccessKey",
    DELETE: "DeleteAccessKey",
    DELETE_PASSWORD: "DeleteLoginProfile",
    ALLOW_PASSWORD: "CreateLoginProfile",
    DEACTIVATE_MFA: "DeactivateMFADevice",
    DELETE_CERTIFICATE: "DeleteSigningCertificate",
    UNLOCK_BUCKET: "DeleteBucketPolicy",
    UNLOCK_QUEUE: "SetQueueAttributes",
}
_BY_KEY = frozenset({CREATE, DEACTIVATE, ACTIVATE})


def perform(aws: SimulatedAws, name: OperationName, *, on: str | None = None) -> Outcome:
    account = _OWN if name in _BY_KEY else _MEMBER
    source = SourceKind.PROFILE if account.has_profile else SourceKind.ASSUME_ROOT
    operation = Operation(name, on)
    with roots(aws).sign_in(account, Plan(source, name, operation if operation.is_unlock else None)) as root:
        return root.perform(operation)


def target(aws: SimulatedAws, name: OperationName) -> str | None:
    match name:
        case OperationName.DEACTIVATE_ACCESS_KEY | OperationName.ACTIVATE_ACCESS_KEY:
            return aws.create_root_key(ACCOUNT).access_key_id
        case OperationName.DELETE_ACCESS_KEY:
            return aws.create_root_key(MEMBER).access_key_id
        case OperationName.DEACTIVATE_MFA_DEVICE:
            return aws.mfa_devices(MEMBER)[0]
        case OperationName.DELETE_SIGNING_CERTIFICATE:
            return next(iter(aws.signing_certificates(MEMBER)))
        case OperationName.UNLOCK_S3_BUCKET_POLICY | OperationName.UNLOCK_SQS_QUEUE_POLICY:
            return (_BUCKET if name is UNLOCK_BUCKET else _QUEUE).target
        case OperationName.ALLOW_PASSWORD_RECOVERY:
            aws.set_summary(MEMBER, password=False)
    return None


@pytest.mark.parametrize(
    ("name", "what"),
    [(CREATE, what) for what in PAGES] + [(name, what) for name in _ACTS if name is not CREATE for what in KINDS],
)
def test_an_act_that_somebody_else_answers_is_in_doubt(
    aws: SimulatedAws, caplog: pytest.LogCaptureFixture, name: OperationName, what: str
) -> None:
    caplog.set_level(logging.DEBUG)
    on = target(aws, name)
    aws.fault(_ACTS[name], Rewritten(PAGES[what]), times=9)
    outcome = perform(aws, name, on=on)
    assert isinstance(outcome, InDoubt)
    assert CANARY[:12] not in f"{outcome}{caplog.text}"


@pytest.mark.parametrize("what", DOUBTFUL)
@pytest.mark.parametrize("name", [CREATE, DELETE])
def test_an_error_that_is_no_certain_no_of_iams_is_in_doubt(aws: SimulatedAws, name: OperationName, what: str) -> None:
    on = target(aws, name)
    aws.fault(_ACTS[name], Rewritten(DOUBTFUL[what]), times=9)
    assert isinstance(perform(aws, name, on=on), InDoubt)


def test_an_answer_whose_header_has_another_id_than_its_body_is_in_doubt(aws: SimulatedAws) -> None:
    on = aws.create_root_key(ACCOUNT).access_key_id
    aws.fault("UpdateAccessKey", Rewritten(saying("RequestId", _ANY_ID)))
    assert isinstance(perform(aws, DEACTIVATE, on=on), InDoubt)


@pytest.mark.parametrize("request_id", [None, "BLUECOATPROXY01"])
def test_nobody_but_iam_says_that_there_is_no_password(aws: SimulatedAws, request_id: str | None) -> None:
    answer = page("404 Not Found", error_of("NoSuchEntity", request_id), f"x-amzn-RequestId: {_ANY_ID}")
    aws.fault("GetLoginProfile", Rewritten(answer))
    assert "GetLoginProfile: " in refusal_of_a_read(aws, _MEMBER).exact


def test_what_aws_itself_refuses_is_refused(aws: SimulatedAws) -> None:
    aws.fault("CreateAccessKey", Refuse("LimitExceeded", 409))
    assert type(perform(aws, CREATE)).__name__ == "Refused"


_HARMLESS: dict[str, Change] = {
    "no CreateDate": without("CreateDate"),
    "a broken CreateDate": saying("CreateDate", "N/A"),
    "a CreateDate before all time": saying("CreateDate", "0001-01-01T00:00:00+23:00"),
    "no Status": without("Status"),
    "no ResponseMetadata": without("ResponseMetadata"),
    "no RequestId": without("RequestId"),
}


@pytest.mark.parametrize("what", _HARMLESS)
def test_a_good_secret_is_not_thrown_away_for_want_of_anything_else(aws: SimulatedAws, what: str) -> None:
    aws.fault("CreateAccessKey", Rewritten(_HARMLESS[what]))
    outcome = perform(aws, CREATE)
    assert isinstance(outcome, Done)
    assert isinstance(outcome.created, CreatedKey)
    assert aws.secrets(ACCOUNT)[outcome.created.access_key_id] == outcome.created.secret.reveal()
    if "CreateDate" in what:
        assert outcome.created.created_at == NOON


@pytest.mark.parametrize(
    "change",
    [without("AccessKeyId"), without("SecretAccessKey"), saying("SecretAccessKey", ""), saying("AccessKeyId", "?"),
     on_body(lambda body: body.replace("<AccessKeyId>", "<AccessKeyId>A</AccessKeyId><AccessKeyId>"))],
)  # fmt: skip
def test_without_an_id_or_a_secret_a_create_is_in_doubt(aws: SimulatedAws, change: Change) -> None:
    aws.fault("CreateAccessKey", Rewritten(change))
    assert isinstance(perform(aws, CREATE), InDoubt)


def test_a_change_whose_answer_has_no_request_id_is_in_doubt(aws: SimulatedAws) -> None:
    aws.fault("UpdateAccessKey", Rewritten(without("ResponseMetadata")))
    on = aws.create_root_key(ACCOUNT).access_key_id
    assert isinstance(perform(aws, DEACTIVATE, on=on), InDoubt)


def organization(aws: SimulatedAws) -> Organization:
    return Organization("main", manager_of(aws), Listing(refresh=timedelta(minutes=15)))


@pytest.mark.parametrize("what", [*PAGES, "no Accounts", "no account at all"])
def test_a_list_of_accounts_that_is_not_awss_is_refused_as_a_whole(
    aws: SimulatedAws, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    changes = PAGES | {
        "no Accounts": on_body(lambda _: "{}"),
        "no account at all": on_body(lambda _: '{"Accounts": []}'),
    }
    aws.fault("ListAccounts", Rewritten(changes[what]), times=9)
    with pytest.raises(Unavailable) as refused:
        organization(aws).accounts()
    assert "organization main by a credential at hand: " in refused.value.exact
    assert "ListAccounts" in refused.value.exact
    assert CANARY[:12] not in f"{refused.value.exact}{caplog.text}"


@pytest.mark.parametrize(
    "change",
    [("Arn", ""), ("Arn", None), ("Arn", "arn:aws:organizations::999900001111:account/o-simulated00/000000000000"),
     ("Id", None), ("Id", "1"), ("State", CANARY)],
)  # fmt: skip
def test_an_account_that_is_not_described_as_aws_does_is_left_out_and_the_others_stay(
    aws: SimulatedAws, caplog: pytest.LogCaptureFixture, change: tuple[str, str | None]
) -> None:
    def bent(body: str) -> str:
        answer = json.loads(body)
        bad = next(each for each in answer["Accounts"] if each["Id"] == MEMBER)
        name, value = change
        bad.pop(name) if value is None else bad.update({name: value})
        return json.dumps(answer)

    aws.fault("ListAccounts", Rewritten(on_body(bent)))
    assert set(organization(aws).accounts()) == {ACCOUNT, BOTH, MANAGEMENT}
    assert "organization main by a credential at hand, ListAccounts: " in caplog.text
    assert f"{change[0]} is missing, or is not what it should be" in caplog.text
    assert CANARY not in caplog.text


@pytest.mark.parametrize("what", KINDS)
def test_features_that_somebody_else_names_are_none(aws: SimulatedAws, what: str) -> None:
    aws.fault("ListOrganizationsFeatures", Rewritten(PAGES[what]), times=9)
    with pytest.raises(Unavailable, match="cannot be read now") as refused:
        organization(aws).features()
    assert "ListOrganizationsFeatures" in refused.value.exact


def test_over_http_the_sentence_is_plain_and_the_log_has_the_call(sqlite_house: House) -> None:
    sqlite_house.aws.fault("GetAccountSummary", Rewritten(without("SummaryMap")))
    body = {"operation": "create_access_key", "account_id": ACCOUNT, "justification": "x" * 10, "recipient": "rita"}
    with capture_logs() as lines:
        answer = sqlite_house.client("alice").post("/v1/requests", json=body)
    assert (answer.status_code, answer.json()["code"]) == (503, "account_unreachable")
    assert "SummaryMap" not in answer.text
    assert "GetAccountSummary: The answer was none that AWS gives: SummaryMap is missing" in str(lines)


def test_a_create_whose_headers_do_not_end_shows_its_secret_to_nobody(
    aws: SimulatedAws, caplog: pytest.LogCaptureFixture
) -> None:
    """What follows is taken for headers then, and urllib3 would quote it in a warning."""
    caplog.set_level(logging.DEBUG)
    aws.fault("CreateAccessKey", Rewritten(lambda real: real.replace(b"\r\n\r\n", b"\r\n")))
    assert isinstance(perform(aws, CREATE), InDoubt)
    secrets = aws.secrets(ACCOUNT)
    assert len(secrets) == 2
    assert not [secret for secret in secrets.values() if secret in caplog.text]


def test_the_workers_log_names_account_source_and_call_and_shows_no_session(
    sqlite_house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house = sqlite_house
    seen: list[str] = []
    house.aws.fault("AssumeRoot", Rewritten(broken_session(seen)), times=9, account_id=MEMBER)
    house.change(policy=policy_of(drift_checks=True))
    caplog.set_level(logging.DEBUG)
    with capture_logs() as lines:
        run_pass(house.ctx)
    logged = f"{lines}{caplog.text}"
    assert f"account {MEMBER} by AssumeRoot with a credential at hand: " in logged
    assert "AssumeRoot: The answer was none that AWS gives (ResponseParserError)." in logged
    assert "Traceback" not in logged
    assert seen
    assert not [secret for secret in seen if secret in logged]
    assert {call.account_id for call in house.aws.calls} > {ACCOUNT, BOTH}  # the others were looked at
