"""`rootquorum accounts check` and `rootquorum drift`: what an operator of many accounts sees, and exit codes."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.answers import CANARY, PAGES, broken_session, without
from support.installation import commanded, rootquorum

from service.simulated_aws import Refuse, Rewritten, SimulatedAws

MANAGEMENT, OWN = "999900001111", "111122223333"
MEMBERS = [f"1000000000{number:02}" for number in range(8)]
READING = {
    "AssumeRoot",
    "GetAccountSummary",
    "GetCallerIdentity",
    "GetPrimaryEmail",
    "ListAccessKeys",
    "ListAccounts",
    "ListOrganizationsFeatures",
}


@pytest.fixture
def aws() -> Iterator[SimulatedAws]:
    with SimulatedAws([OWN, *MEMBERS], management_account=MANAGEMENT) as aws:
        yield aws


@pytest.fixture
def folder(tmp_path: Path, aws: SimulatedAws) -> Path:
    """The whole organization, and one of its accounts with a root key in a profile as well."""
    people = "".join(f'[people.{name}]\nname = "{name}"\nroles = ["approver"]\n' for name in ("bob", "carol"))
    (tmp_path / "rootquorum.toml").write_text(
        f'[database]\nurl = "sqlite:///{tmp_path}/rootquorum.db"\n'
        '[organizations.main]\nprofile = "manager"\nlist_accounts = true\n'
        "[policy]\ndecision_requires_auth_time = false\n"
        f'[accounts.{OWN}]\nname = "production"\nprofile = "prod-root"\n{people}'
    )
    config = ""
    for profile, key in (("manager", aws.management_credential()), ("prod-root", aws.root_credential(OWN))):
        config += (
            f"[profile {profile}]\nendpoint_url = {aws.endpoint_url}\nmax_attempts = 1\n"
            f"aws_access_key_id = {key.access_key_id}\naws_secret_access_key = {key.secret_access_key}\n"
        )
    (tmp_path / "aws-config").write_text(config)
    return tmp_path


RULE = '[[rules]]\nname = "{0}"\nnames = ["{0}*"]\nquorum = 2\n'


def run(
    folder: Path, *arguments: str, by: Callable[..., subprocess.CompletedProcess[str]] = commanded
) -> subprocess.CompletedProcess[str]:
    return by(folder, *arguments, AWS_CONFIG_FILE=str(folder / "aws-config"), COLUMNS="200")


def rows(done: subprocess.CompletedProcess[str]) -> dict[tuple[str, str], str]:
    """Account and source → the rest of its row."""
    found = re.findall(r"^ ?(\d{12}) .*?(profile|assume_root) +(.*)$", done.stdout, flags=re.MULTILINE)
    return {(account, source): rest for account, source, rest in found}


def test_every_account_is_signed_in_to_with_every_source_reading_only(folder: Path, aws: SimulatedAws) -> None:
    aws.set_summary(MEMBERS[1], mfa=False)
    done = run(folder, "accounts", "check", by=rootquorum)
    assert (done.returncode, done.stderr) == (0, "")
    found = rows(done)
    assert len(found) == len(MEMBERS) + 3  # the account with two sources, and the management account
    assert re.match(r"yes +1 of 2 +on +credentials, sessions +\(1\) \(2\) *$", found[MEMBERS[0], "assume_root"])
    assert re.match(r"yes +1 of 2 +off", found[MEMBERS[1], "assume_root"])
    assert re.match(r"yes +1 of 2 +on +\(", found[OWN, "profile"])
    assert {call.action for call in aws.calls} == READING


def test_what_will_be_refused_is_told_with_its_reason_once(folder: Path) -> None:
    done = run(folder, "accounts", "check")
    reasons = re.findall(r"^\((\d)\) (.*)$", done.stdout, flags=re.MULTILINE)
    assert len(reasons) == len({sentence for _, sentence in reasons})
    assert any(
        "create_access_key, rotate_access_key, deactivate_access_key, activate_access_key: No AssumeRoot" in sentence
        for _, sentence in reasons
    )
    assert any("management account" in sentence for _, sentence in reasons)


def test_the_management_account_and_a_suspended_one_are_set_aside_without_a_fault(
    folder: Path, aws: SimulatedAws
) -> None:
    aws.set_account_state(MEMBERS[2], "SUSPENDED")
    done = run(folder, "accounts", "check")
    assert done.returncode == 0
    found = rows(done)
    assert found[MANAGEMENT, "assume_root"].startswith("- (")
    assert found[MEMBERS[2], "assume_root"].startswith("- (")


def test_an_account_that_cannot_serve_is_exit_1_with_the_reason(folder: Path, aws: SimulatedAws) -> None:
    aws.set_root_key_status(OWN, aws.root_credential(OWN).access_key_id, "Inactive")
    done = run(folder, "accounts", "check")
    assert done.returncode == 1
    assert rows(done)[OWN, "profile"].startswith("NO (")
    assert "no longer accepts, the key" in done.stdout


def test_a_feature_that_is_off_is_a_fault_of_every_account_that_needs_it(folder: Path, aws: SimulatedAws) -> None:
    aws.set_organization_features(["RootSessions"])
    done = run(folder, "accounts", "check")
    assert done.returncode == 1
    assert "RootCredentialsManagement is not enabled in the organization." in done.stdout


def test_an_organization_that_cannot_be_listed_is_one_line_and_exit_1(folder: Path, aws: SimulatedAws) -> None:
    aws.fault("ListAccounts", Refuse("AccessDeniedException", 400), times=9)
    done = run(folder, "accounts", "check")
    assert done.returncode == 1
    assert 'organization main by profile "manager": The organization\'s accounts cannot be listed now.' in done.stderr
    assert rows(done)[OWN, "profile"].startswith("yes")  # it hides no account that the settings name


def test_drift_is_looked_for_everywhere_and_what_is_open_is_exit_1(folder: Path, aws: SimulatedAws) -> None:
    assert run(folder, "migrate").returncode == 0
    first = run(folder, "drift")
    assert (first.returncode, first.stderr) == (0, "")
    assert f"{len(MEMBERS) + 1} accounts were checked for the first time" in first.stdout
    stranger = aws.create_root_key(MEMBERS[3]).access_key_id
    aws.set_email(MEMBERS[2], "r\N{CYRILLIC SMALL LETTER O}ot@example.com")
    second = run(folder, "drift")
    assert second.returncode == 1
    assert re.search(rf"{MEMBERS[2]} +email_changed +- +account-\S+@example.com +r\\u043eot@example.com", second.stdout)
    assert re.search(rf"{MEMBERS[3]} +unexplained_key +{stranger} +- +Active", second.stdout)
    assert {call.action for call in aws.calls} <= READING


def test_an_account_that_cannot_be_read_does_not_hide_the_others(folder: Path, aws: SimulatedAws) -> None:
    assert run(folder, "migrate").returncode == 0
    aws.fault("AssumeRoot", Refuse("AccessDenied"), times=9, account_id=MEMBERS[0])
    done = run(folder, "drift")
    assert done.returncode == 1
    assert MEMBERS[0] in done.stderr
    assert f"{len(MEMBERS)} of {len(MEMBERS) + 1} accounts read" in done.stdout


def test_doctor_looks_at_the_named_accounts_and_counts_the_listed_ones(folder: Path) -> None:
    done = run(folder, "doctor")
    assert f"account {OWN} (production) by profile: root proved" in done.stdout
    assert f"account {OWN} (production) by assume_root: root proved" in done.stdout
    assert f"organization main: {len(MEMBERS) + 2} accounts" in done.stdout


def spoil(aws: SimulatedAws) -> list[str]:
    """Three accounts whose answers are broken, each otherwise."""
    seen: list[str] = []
    aws.fault("AssumeRoot", Rewritten(broken_session(seen)), times=9, account_id=MEMBERS[0])
    aws.fault("GetAccountSummary", Rewritten(without("SummaryMap")), times=9, account_id=MEMBERS[1])
    aws.fault("GetAccountSummary", Rewritten(PAGES["a login page"]), times=9, account_id=OWN)
    return seen


def test_accounts_whose_answers_are_not_awss_are_told_with_the_call_and_hide_no_other(
    folder: Path, aws: SimulatedAws
) -> None:
    seen = spoil(aws)
    done = run(folder, "accounts", "check")
    assert done.returncode == 1
    found = rows(done)
    assert sum(row.startswith("yes") for row in found.values()) == len(MEMBERS) - 2
    assert found[MEMBERS[0], "assume_root"].startswith("NO")
    assert "AssumeRoot: The answer was none that AWS gives (ResponseParserError)." in done.stdout
    assert "GetAccountSummary: The answer was none that AWS gives: SummaryMap is missing" in done.stdout
    assert seen
    assert not [secret for secret in (*seen, CANARY) if secret in done.stdout + done.stderr]


def test_drift_goes_on_beside_accounts_whose_answers_are_not_awss(folder: Path, aws: SimulatedAws) -> None:
    assert run(folder, "migrate").returncode == 0
    seen = spoil(aws)
    done = run(folder, "drift")
    assert done.returncode == 1
    assert f"{len(MEMBERS) - 2} of {len(MEMBERS) + 1} accounts read" in done.stdout
    assert f'account {MEMBERS[0]} by AssumeRoot with profile "manager": ' in done.stderr
    assert "AssumeRoot: The answer was none that AWS gives (ResponseParserError)." in done.stderr
    assert not [secret for secret in (*seen, CANARY) if secret in done.stdout + done.stderr]


def test_doctor_names_account_source_and_call_and_goes_on(folder: Path, aws: SimulatedAws) -> None:
    seen: list[str] = []
    aws.fault("AssumeRoot", Rewritten(broken_session(seen)), times=9, account_id=OWN)
    done = run(folder, "doctor")
    assert f"fault  account {OWN} (production) by assume_root: " in done.stdout
    assert "AssumeRoot: The answer was none that AWS gives (ResponseParserError)." in done.stdout
    assert f"account {OWN} (production) by profile: root proved" in done.stdout
    assert len(seen) == 2
    assert not [secret for secret in seen if secret in done.stdout + done.stderr]


def test_doctor_says_which_organization_cannot_be_listed(folder: Path) -> None:
    with (folder / "rootquorum.toml").open("a") as settings:
        settings.write('[organizations.other]\nprofile = "nobody"\nlist_accounts = true\n')
    done = run(folder, "doctor")
    assert f"ok     organization main: {len(MEMBERS) + 2} accounts" in done.stdout
    assert re.search(r'fault  organization other: .*There is no profile "nobody" in \S+/aws-config', done.stdout)


def test_doctor_sees_a_key_that_signs_in_the_place_of_a_program(folder: Path, aws: SimulatedAws) -> None:
    key = aws.root_credential(OWN)
    config = (folder / "aws-config").read_text()
    keys = f"aws_access_key_id = {key.access_key_id}\naws_secret_access_key = {key.secret_access_key}\n"
    (folder / "aws-config").write_text(config.replace(keys, "credential_process = vault\n"))
    (folder / "credentials").write_text(f"[prod-root]\n{keys}")
    environment = {"AWS_CONFIG_FILE": str(folder / "aws-config"), "AWS_SHARED_CREDENTIALS_FILE": "credentials"}
    done = commanded(folder, "doctor", **environment)
    assert "root proved" in done.stdout
    assert re.search(r"fault  profile prod-root: .*win over its credential_process .*which may be stale", done.stdout)
    assert key.secret_access_key not in done.stdout


def test_doctor_says_that_central_root_access_is_on(folder: Path, aws: SimulatedAws) -> None:
    assert "ok     organization main: central root access is on\n" in run(folder, "doctor").stdout
    assert {call.action for call in aws.calls} <= READING


def test_doctor_tries_whether_drift_checks_can_read_root_addresses(folder: Path, aws: SimulatedAws) -> None:
    assert "ok     organization main: drift checks read root e-mail addresses\n" in run(folder, "doctor").stdout
    aws.fault("GetPrimaryEmail", Refuse("AccessDenied"), times=99)
    done = run(folder, "doctor")
    assert "fault  organization" not in done.stdout
    assert "warn   organization main: its profile may not read root e-mail addresses" in done.stdout
    assert "Allow account:GetPrimaryEmail, and enable trusted access" in done.stdout
    aws.reset_faults()
    aws.fault("GetPrimaryEmail", Refuse("ResourceNotFoundException", 404), times=99)
    done = run(folder, "doctor")
    assert done.returncode == 1
    assert "fault  organization main: account" in done.stdout
    assert "Drift checks cannot tell whether a root user's e-mail address changes." in done.stdout


@pytest.mark.parametrize("how", ["none", "the other one", "no trusted access", "no all features"])
def test_doctor_names_an_organization_without_central_root_access_and_switches_nothing_on(
    folder: Path, aws: SimulatedAws, how: str
) -> None:
    if how in {"none", "the other one"}:
        aws.set_organization_features([] if how == "none" else ["RootSessions"])
    else:
        code = "ServiceAccessNotEnabled" if how == "no trusted access" else "OrganizationNotInAllFeaturesMode"
        aws.fault("ListOrganizationsFeatures", Refuse(f"{code}Exception", 400), times=9)
    done = run(folder, "doctor")
    assert done.returncode == 1
    assert (
        "fault  organization main: Its central root access is off: RootCredentialsManagement is not enabled. "
        "Rootquorum does not switch it on. Somebody has to, in the management account.\n"
    ) in done.stdout
    assert {call.action for call in aws.calls} <= READING


def opt_in(folder: Path) -> None:
    settings = folder / "rootquorum.toml"
    settings.write_text(
        settings.read_text().replace("list_accounts = true", "list_accounts = true\nunlock_resources = true")
    )


def test_an_organization_that_opted_in_can_unlock_in_every_account_that_it_lists(folder: Path) -> None:
    assert "(unlock_resources)" in run(folder, "accounts", "check").stdout
    opt_in(folder)
    assert "(unlock_resources)" not in run(folder, "accounts", "check").stdout


def test_a_feature_that_only_unlocking_needs_is_missed_only_where_it_is_wanted(folder: Path, aws: SimulatedAws) -> None:
    aws.set_organization_features(["RootCredentialsManagement"])
    assert "ok     organization main: central root access is on\n" in run(folder, "doctor").stdout
    opt_in(folder)
    assert (
        "fault  organization main: It cannot unlock buckets and queues: RootSessions is not enabled. "
        "Rootquorum does not switch it on. Somebody has to, in the management account.\n"
    ) in run(folder, "doctor").stdout
    checked = run(folder, "accounts", "check")
    assert checked.returncode == 0
    assert (
        "unlock_s3_bucket_policy, unlock_sqs_queue_policy: RootSessions is not enabled in the organization."
    ) in checked.stdout


def test_doctor_says_what_it_needs_to_ask_for_the_features(folder: Path, aws: SimulatedAws) -> None:
    aws.fault("ListOrganizationsFeatures", Refuse("AccessDenied"), times=9)
    done = run(folder, "doctor")
    assert re.search(r"fault  organization main: .* Its profile needs iam:ListOrganizationsFeatures\.", done.stdout)
    assert "is off" not in done.stdout


def test_doctor_warns_of_a_profile_that_a_person_signs_in_to(folder: Path, aws: SimulatedAws) -> None:
    key = aws.root_credential(OWN)
    keys = f"aws_access_key_id = {key.access_key_id}\naws_secret_access_key = {key.secret_access_key}\n"
    config = (folder / "aws-config").read_text()
    (folder / "aws-config").write_text(config.replace(keys, f"login_session = arn:aws:iam::{OWN}:root\n"))
    said = run(folder, "doctor").stdout
    assert re.search(r"warn   profile prod-root: .* `aws login` gives a person temporary credentials\. ", said)
    assert "What those of a root user may do is unconfirmed" in said
    assert "profile manager" not in said


def test_a_root_user_that_is_denied_everything_is_told_apart(folder: Path, aws: SimulatedAws) -> None:
    """AWS has one code for every denial. But no policy of IAM denies a root user anything."""
    told = "The root user itself was denied: look for a service control policy that denies root"
    aws.fault("AssumeRoot", Refuse("AccessDenied"), times=9, account_id=OWN)
    assert told not in run(folder, "doctor").stdout
    aws.fault("ListAccessKeys", Refuse("AccessDenied"), times=9, account_id=OWN)
    said = run(folder, "doctor").stdout
    assert re.search(rf"fault  account {OWN} \(production\) by profile: .* ListAccessKeys: AWS denied .*{told}", said)


UNITS_AND_TAGS = {
    "ListRoots",
    "ListOrganizationalUnitsForParent",
    "ListAccountsForParent",
    "ListTagsForResource",
}


@pytest.fixture
def describing(folder: Path) -> Path:
    """The same, with units and tags."""
    settings = (folder / "rootquorum.toml").read_text()
    wanted = "list_accounts = true\nread_units = true\nread_tags = true"
    (folder / "rootquorum.toml").write_text(settings.replace("list_accounts = true", wanted))
    return folder


@pytest.mark.parametrize("command", [("accounts", "check"), ("doctor",)])
def test_units_and_tags_are_read_and_counted(describing: Path, aws: SimulatedAws, command: tuple[str, ...]) -> None:
    done = run(describing, *command)
    for what in ("organizational units", "tags"):
        assert f"organization main: {what} of {len(MEMBERS) + 2} accounts read" in done.stdout
    assert {call.action for call in aws.calls} == READING | UNITS_AND_TAGS


@pytest.mark.parametrize("command", [("accounts", "check"), ("doctor",)])
@pytest.mark.parametrize("call", sorted(UNITS_AND_TAGS))
def test_a_permission_that_is_missing_for_units_or_tags_is_named(
    describing: Path, aws: SimulatedAws, command: tuple[str, ...], call: str
) -> None:
    aws.fault(call, Refuse("AccessDeniedException", 400), times=1000)
    done = run(describing, *command)
    assert done.returncode == 1
    said = done.stdout + done.stderr
    what = "tags" if call == "ListTagsForResource" else "organizational units"
    assert f"The {what} of the accounts cannot be read now. {call}: AWS denied the call" in said
    assert f"They are not known of {len(MEMBERS) + 2} of {len(MEMBERS) + 2} accounts. Its profile needs " in said
    assert f"organizations:{call}" in said


def test_tags_that_are_not_known_of_one_account_are_exit_1(describing: Path, aws: SimulatedAws) -> None:
    aws.fault("ListTagsForResource", Refuse("AccessDeniedException", 400), account_id=MEMBERS[0])
    done = run(describing, "accounts", "check")
    assert done.returncode == 1
    assert f"They are not known of 1 of {len(MEMBERS) + 2} accounts." in done.stderr
    assert all(row.startswith(("yes", "- (")) for row in rows(done).values())


def test_an_account_that_only_the_settings_name_is_described_too(describing: Path, aws: SimulatedAws) -> None:
    settings = (describing / "rootquorum.toml").read_text().replace("list_accounts = true\n", "")
    named = 'profile = "prod-root"\norganization = "main"'
    (describing / "rootquorum.toml").write_text(settings.replace('profile = "prod-root"', named))
    done = run(describing, "doctor")
    for what in ("organizational units", "tags"):
        assert f"organization main: {what} of 1 accounts read" in done.stdout
    assert (aws.count("ListAccounts"), aws.count("ListTagsForResource")) == (0, 1)


def test_doctor_warns_of_a_rule_that_applies_to_no_account(folder: Path) -> None:
    settings = folder / "rootquorum.toml"
    settings.write_text(settings.read_text() + RULE.format("prodution") + RULE.format("production"))
    run(folder, "migrate")
    done = run(folder, "doctor")
    assert "warn   rule prodution: it applies to no account that is known now\n" in done.stdout
    assert "rule production" not in done.stdout
