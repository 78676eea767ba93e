"""What is unsafe or impossible refuses to start, with one sentence per fault and no value in it."""

import re
from pathlib import Path
from typing import Any

import pytest

from service.domain.actor import ActorKind, Role
from service.notify.kinds import HookKind, Kind
from service.notify.products import HOOKS, PRODUCTS
from service.settings import FaultySettings, Settings, load, path_of
from service.settings.people_sections import RESERVED_PARAMETERS

GOOD = """
[accounts.111122223333]
name = "production"
profile = "prod-root"
[people.bob]
name = "Bob"
roles = ["approver"]
[people.carol]
name = "Carol"
roles = ["approver"]
[issuers.corp]
url = "https://login.example.com"
audience = ["rootquorum"]
person_claim = "employee_id"
"""

_TRACKER = '[trackers.desk]\nurl = "https://tracker.example.com"\n'


ISSUER = '[issuers.two]\nurl = "https://two.example.com"\naudience = ["x"]\n'


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str) -> Settings:
    file = Path("given.toml")
    file.write_text(text)
    return load(file)


def faults(text: str) -> list[str]:
    with pytest.raises(FaultySettings) as refusal:
        read(text)
    return refusal.value.faults


def test_good_settings_load() -> None:
    settings = read(GOOD)
    assert settings.directory().all_approvers == {"bob", "carol"}
    assert settings.policy_in_force().quorum == 2
    assert settings.configured_accounts()["111122223333"].root_arn == "arn:aws:iam::111122223333:root"


def test_person_is_named_as_the_provider_spells_the_claim() -> None:
    names = ("ann+root@example.com", "o'brien@example.com", "E4711", "auth0|5f7c", "x" * 255)
    people = "".join(f'[people."{name}"]\nname = "Somebody"\n' for name in names)
    assert {*names} < read(GOOD + people).people.keys()


def test_claim_is_a_name_or_a_path_in_the_file_and_in_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOTQUORUM_ISSUERS__CORP__GROUPS_CLAIM", '["realm_access", "roles"]')
    monkeypatch.setenv("ROOTQUORUM_ISSUERS__CORP__NAME_CLAIM", "nickname")
    monkeypatch.setenv("ROOTQUORUM_ISSUERS__CORP__PEOPLE_HAVE", '{"claim": "kind", "value": ["staff", "guest"]}')
    issuer = read(GOOD + 'groups_claim = "groups"').issuers["corp"]
    assert [path_of(claim) for claim in (issuer.person_claim or "", issuer.name_claim, issuer.groups_claim)] == [
        ("employee_id",),
        ("nickname",),
        ("realm_access", "roles"),
    ]
    assert issuer.people_have is not None
    assert issuer.people_have.values == {"staff", "guest"}


@pytest.mark.parametrize(("value", "values"), [('"user"', {"user"}), ("true", {True}), ('["a", "b"]', {"a", "b"})])
def test_what_only_people_have_is_one_value_or_several(value: str, values: set[str | bool]) -> None:
    only = read(GOOD + f'people_have = {{ claim = ["a", "b"], value = {value} }}').issuers["corp"].people_have
    assert only is not None
    assert only.claim == ("a", "b")
    assert only.values == values


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        read(GOOD).policy.quorum = 1


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ("[policy]\nquorum = 1", "policy.quorum: it has to be 2 or more."),
        ("[policy]\nquorum = 0", "policy.quorum: it has to be 2 or more."),
        ("[policy]\nquorum = 3", "people: 2 approvers are fewer than policy.quorum; nothing could ever be approved."),
        ('[policy]\napproval_window = "PT0S"', "policy.approval_window: it has to be 1 second or more."),
        ("[policy]\nqourum = 2", "policy: unknown setting `qourum` in line 16 of given.toml; did you mean `quorum`?"),
        ("[polizy]\nquorum = 2", "unknown setting `polizy` in line 15 of given.toml; did you mean `policy`?"),
        (
            '[accounts.12]\nname = "x"',
            "accounts: a name in line 15 of given.toml: it has to be the 12 digits of an AWS account.",
        ),
        ('[accounts.222233334444]\nname = "x"', "accounts.222233334444: profile or organization is missing"),
        ('[accounts.222233334444]\nname = "x"\npartition = "aws-mars"', "accounts.222233334444.partition: "),
        ('[accounts.222233334444]\nname = "x"\norganization = "main"', "there is no organization of that name."),
        ("[organizations.main]\nlist_accounts = true", "organizations.main: profile is missing: it is the identity"),
        ('[organizations.main]\nprofile = "x"\ndeny = ["111122223333"]', "allow and deny require list_accounts."),
        ('[organizations.main]\nprofile = "x"\nregion = "global"', "organizations.main.region: "),
        (
            (
                '[organizations.main]\nprofile = "x"\nlist_accounts = true\ndeny = ["222233334444"]\n'
                '[accounts.222233334444]\nname = "x"\norganization = "main"'
            ),
            "accounts.222233334444: its organization denies this account.",
        ),
        ('[webhooks.siem]\nurl = "https://siem.example.com/in"', "webhooks.siem: it has no secret"),
        ('[webhooks.siem]\nurl = "http://siem.example.com/in"', "webhooks.siem.url: "),
        ('[webhooks.siem]\nurl = "https://169.254.169.254/"', "webhooks.siem.url: "),
        (
            '[webhooks.siem]\nurl = "https://x.example.com"\nsecrets = ["x"]',
            "webhooks.siem: a secret to sign with begins",
        ),
        ('[webhooks.siem]\nurl = "https://x.example.com"\nsecret_files = ["/nowhere"]', "one of them cannot be read."),
        (
            '[webhooks.siem]\nurl = "https://x.example.com"\nevents = ["token.created"]',
            "it has to be one of the published events: ",
        ),
        (
            '[webhooks.siem]\nurl = "https://x.example.com"\nformat = "cloudevents"\nsecrets = ["x"]',
            "webhooks.siem.format: server.public_url is missing; it is the source of each CloudEvent.",
        ),
        (
            '[webhooks.siem]\nurl = "https://x.example.com"\nformat = "cloudevents-binary"\nsecrets = ["x"]',
            "webhooks.siem.format: server.public_url is missing; it is the source of each CloudEvent.",
        ),
        ("[chats.oncall]", "chats.oncall: url or url_file is missing."),
        ('[chats.oncall]\nurl_file = "/nowhere"', "chats.oncall.url_file: it cannot be read."),
        ('[chats.oncall]\nurl = "https://10.0.0.1/a-secret"', "chats.oncall.url: the host is an address that is not"),
        (
            '[chats.oncall]\nurl = "https://x.example.com"\nevents = ["token.created"]',
            "it has to be one of the published events: ",
        ),
        (
            (
                '[chats.siem]\nurl = "https://x.example.com"\n'
                '[webhooks.siem]\nurl = "https://x.example.com"\nsecrets = ["x"]'
            ),
            "chats.siem: a webhook has the same name.",
        ),
        (
            (
                '[chats.ops]\nurl = "https://x.example.com"\n'
                '[trackers.ops]\nkind = "roundup"\nurl = "https://x.example.com"\nuser = "x"\npassword = "x"'
            ),
            "trackers.ops: a webhook or a chat has the same name.",
        ),
        (
            "".join(
                f'[trackers.{name}]\nkind = "jira"\nurl = "https://{name}.example.com"\npassword = "x"\n'
                for name in ("ops", "web")
            ),
            "trackers.web.pattern: missing; another tracker's tickets look the same.",
        ),
        (
            '[policy]\nescalate_to = ["boss"]',
            "policy.escalate_to: one of them is no webhook, chat or syslog; there are none.",
        ),
        (
            f'{_TRACKER}kind = "jira"\npassword = "x"\nuser = "rootquorum"',
            "trackers.desk.user: it is for the kinds",
        ),
        (f'{_TRACKER}kind = "jira-cloud"\npassword = "x"', "trackers.desk.user: it is for the kinds"),
        (f'{_TRACKER}kind = "github"\npassword = "x"', "trackers.desk.repository: it is for the kind github"),
        (
            f'{_TRACKER}kind = "jira"\npassword = "x"\nrepository = "a/b"',
            "trackers.desk.repository: it is for the kind github",
        ),
        (
            f'{_TRACKER}kind = "servicenow"\npassword = "x"\nuser = "x"',
            "trackers.desk.table: it is for the kind servicenow",
        ),
        (f'{_TRACKER}kind = "jira"\npassword = "x"\ntable = "incident"', "trackers.desk.table: it is for the kind"),
        (
            f'{_TRACKER}kind = "servicenow"\npassword = "x"\nuser = "x"\ntable = "incident/../sys_user"',
            "trackers.desk.table: it has to be of the form ^[a-z]",
        ),
        (f'{_TRACKER}kind = "jira"', "trackers.desk: password or password_file is missing, or empty."),
        (f'{_TRACKER}kind = "jira"\npassword = ""', "trackers.desk: password or password_file is missing, or empty."),
        (
            f'{_TRACKER}kind = "jira"\npassword_file = "/dev/null"',
            "trackers.desk: password or password_file is missing, or empty.",
        ),
        (
            '[trackers.desk]\nurl = "https://x.example.com/jira?a=1"\nkind = "jira"\npassword = "x"',
            "trackers.desk.url: it must not have a query or a fragment",
        ),
        (
            '[trackers.desk]\nurl = "https://x.example.com/#"\nkind = "jira"\npassword = "x"',
            "trackers.desk.url: it must not have a query or a fragment",
        ),
        (
            f'{_TRACKER}kind = "github"\npassword = "x"\nrepository = "a/b"\nstates = {{ "key.retired" = "Done" }}',
            "trackers.desk.states: a ticket there is open or closed.",
        ),
        (
            '[trackers.desk]\nurl = "https://github.com"\nkind = "github"\npassword = "x"\nrepository = "a/b"',
            "trackers.desk.url: this is the address of its web pages; the address of its API is https://api.github.com.",
        ),
        (
            '[server]\npublic_url = "rootquorum"',
            "server.public_url: it has to be an http or https URL without user, query and fragment.",
        ),
        (
            '[server]\npublic_url = "https://x.example.com/other"\nroot_path = "/approvals"',
            "server.public_url: it must end with server.root_path",
        ),
        ("[database]\nconnections = 5", "database.connections: too few"),
        ("[database]\nconnections = 6\n[metrics]\nport = 9464", "database.connections: too few"),
        ("[metrics]\nport = 8080", "metrics.port: it is server.port"),
        ('[health]\nanchor_within = "P2D"', "health.anchor_within: without a key"),
        ('[people.Bob]\nname = "Bob again"', "people.Bob: another name differs from it only by case."),
        ('[machines.bob]\nname = "Bob"', "machines.bob: a person has the same name."),
        ('[people."e#4711"]\nname = "Eve"', "people: a name in line 15 of given.toml: it has to be 1 to 255 visible"),
        ('[people.RootQuorum]\nname = "Eve"', "rootquorum is the service's own name"),
        (ISSUER + "person_claim = []", "issuers.two.person_claim: it has to be a text, or it has to hold 1 or more."),
        (ISSUER + 'groups_separator = ""', "issuers.two.groups_separator: "),
        (ISSUER + 'groups_absent = "all"', "issuers.two.groups_absent: "),
        (ISSUER + 'people_have = { claim = "idtyp" }', "issuers.two.people_have.value: it is missing."),
        (
            ISSUER + 'people_have = { claim = "idtyp", value = [] }',
            "issuers.two.people_have.value: it has to be true or false, or ",
        ),
        ('[people.eve]\nname = "Eve"\nroles = ["root"]', "people.eve.roles"),
        ('[machines.bob]\nname = "Bot"', "machines.bob: a person has the same name."),
        ('[machines.bot]\nname = "Bot"\nroles = ["approver"]', "machines.bot.roles"),
        ('[people.rootquorum]\nname = "x"', "rootquorum is the service's own name; nobody else may have it."),
        (
            '[database]\nurl = "mysql://db"',
            "database.url: it has to begin with sqlite:/// or postgresql://.",
        ),
        ('[database]\nurl = "nonsense"', "database.url: it has to begin with sqlite:/// or postgresql://."),
        ("[aws]\nsimulated = true", "a real account (profile) does not work with the simulated AWS."),
        (
            '[issuers.two]\nurl = "http://login.example.com"\naudience = ["x"]',
            "issuers.two.url: it is not an https URL, and there is no https discovery_url.",
        ),
        ('[issuers.two]\nurl = "https://x.example.com?a=1"\naudience = ["x"]', "an issuer has neither query nor"),
        ('[issuers.two]\nurl = "https://x.example.com"\naudience = []', "issuers.two.audience: "),
        (
            '[issuers.two]\nurl = "https://login.example.com"\naudience = ["x"]\nperson_claim = "sub"',
            "issuers.two: another issuer has the same url.",
        ),
        ('[issuers.two]\nurl = "https://x.example.com"\naudience = ["x"]', "issuers.two.person_claim: missing."),
        (
            '[[issuers.corp.grants]]\ngroup = "a"\nroles = []',
            "issuers.corp.grants.0.roles: ",
        ),
        (
            '[[issuers.corp.grants]]\ngroup = "a"\nroles = ["approver"]\naccounts = ["12"]',
            "issuers.corp.grants.0.accounts.0: ",
        ),
        ('[machines.bot]\nname = "Bot"\nissuer = "corp"', "machines.bot: issuer and login belong together."),
        ('[machines.bot]\nname = "Bot"\nissuer = "x"\nlogin = "y"', "machines.bot: there is no issuer of that name."),
        (
            (
                '[machines.a]\nname = "A"\nissuer = "corp"\nlogin = "x"\n'
                '[machines.b]\nname = "B"\nissuer = "corp"\nlogin = "x"'
            ),
            "machines: two of them have the same login.",
        ),
        ('[policy]\ndecision_max_auth_age = "PT0S"', "policy.decision_max_auth_age: "),
    ],
)
def test_a_fault_is_one_sentence(more: str, fault: str) -> None:
    found = faults(GOOD + more)
    assert any(fault in sentence for sentence in found), found


_NEEDS = {"user": "rootquorum@example.com", "repository": "example/operations", "table": "change_request"}


def of_kind(kind: Any, *names: str) -> str:
    """The lines of a tracker of this kind, with these settings beside those that all trackers have."""
    return "\n".join([f'kind = "{kind}"', *(f'{name} = "{_NEEDS[name]}"' for name in names)])


_KINDS: dict[str, str] = {kind: of_kind(kind, *product.needs) for kind, product in PRODUCTS.items()}


@pytest.mark.parametrize("kind", PRODUCTS)
def test_a_tracker_has_what_its_kind_needs_and_nothing_else(kind: Kind) -> None:
    needs = PRODUCTS[kind].needs
    assert read(f'{GOOD}{_TRACKER}password = "x"\n{_KINDS[kind]}').trackers.keys() == {"desk"}
    for need in _NEEDS:
        others = (name for name in _NEEDS if (name in needs) != (name == need))
        [fault] = faults(f'{GOOD}{_TRACKER}password = "x"\n{of_kind(kind, *others)}')
        assert fault.startswith(f"trackers.desk.{need}: it is for the kind")
        assert (kind in re.split("[ ,]+", fault)) is (need in needs)


@pytest.mark.parametrize("kind", [kind for kind, product in PRODUCTS.items() if product.states])
def test_a_ticket_is_only_brought_into_states_that_its_product_has(kind: Kind) -> None:
    known = PRODUCTS[kind].states or ()
    moved = f'{GOOD}{_TRACKER}password = "x"\n{_KINDS[kind]}\nstates = {{ "key.retired" = "%s" }}'
    assert all(read(moved % state).trackers for state in known)
    assert faults(moved % "Elsewhere") == [f"trackers.desk.states: a ticket there is {' or '.join(known)}."]


@pytest.mark.parametrize("kind", HOOKS)
def test_a_hook_has_what_its_kind_needs_and_nothing_else(kind: HookKind) -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" if kind == "standard" else "a secret of this length at least"
    begun = f'{GOOD}[hooks.desk]\nkind = "{kind}"\nsecrets = ["{secret}"]\n'
    repository = 'repository = "example/operations"'
    is_needed = HOOKS[kind].needs == ("repository",)
    assert read(begun + (repository if is_needed else "")).hooks.keys() == {"desk"}
    [fault] = faults(begun + ("" if is_needed else repository))
    assert fault.startswith("hooks.desk.repository: it is for the kind")


_HOOKS = {
    "jira": 'kind = "jira"\nsecrets = ["a secret of this length at least"]',
    "github": 'kind = "github"\nrepository = "Example/Operations"\nsecrets = ["a secret of this length at least"]',
    "other": 'kind = "github"\nrepository = "example/other"\nsecrets = ["a secret of this length at least"]',
    "standard": 'kind = "standard"\nsecrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]',
}


def circle(tracker: str, hook: str, event: str, state: str = "closed") -> str:
    told = f'{_TRACKER}password = "x"\n{_KINDS[tracker]}\nstates = {{ "{event}" = "{state}" }}\n'
    return f"{GOOD}{told}[hooks.{hook}]\n{_HOOKS[hook]}"


@pytest.mark.parametrize(
    ("tracker", "hook"),
    [("jira", "jira"), ("jira-cloud", "jira"), ("github", "github"), ("servicenow", "standard"), ("jira", "standard")],
)
@pytest.mark.parametrize(
    "event",
    [
        "request.filed",
        "decision.recorded",
        "decision.denied",
        "request.approved",
        "request.rejected",
        "request.withdrawn",
        "request.expired",
        "request.waiting",
        "request.stuck",
        "execution.denied",
    ],
)
def test_nobody_ends_the_requests_of_others_by_one_of_their_own_on_the_same_ticket(
    tracker: str, hook: str, event: str
) -> None:
    [fault] = faults(circle(tracker, hook, event))
    assert fault.startswith(
        f"trackers.desk.states: {event}: if that state closes the ticket, hooks.{hook} withdraws every"
    )


@pytest.mark.parametrize(
    ("tracker", "hook", "event", "state"),
    [
        ("jira", "jira", "execution.succeeded", "Done"),
        ("github", "github", "execution.started", "closed"),
        ("github", "github", "key.retired", "closed"),
        ("jira", "github", "request.withdrawn", "Cancelled"),
        ("github", "jira", "request.withdrawn", "closed"),
        ("github", "other", "request.withdrawn", "closed"),
        ("github", "github", "request.withdrawn", "open"),
    ],
)
def test_a_state_that_no_hook_tells_of_is_no_fault(tracker: str, hook: str, event: str, state: str) -> None:
    assert read(circle(tracker, hook, event, state)).hooks.keys() == {hook}


@pytest.mark.parametrize(
    ("tracker", "hook"), [("jira", "jira"), ("jira-cloud", "standard"), ("servicenow", "standard")]
)
@pytest.mark.parametrize("event", ["request.filed", "request.rejected"])
def test_a_state_in_which_something_may_be_asked_for_is_no_end_of_a_ticket(tracker: str, hook: str, event: str) -> None:
    told = circle(tracker, hook, event, "In Progress") + '\n[policy]\nticket_states = ["Open", "In Progress"]'
    assert read(told).trackers["desk"].states == {event: "In Progress"}


def test_a_closed_issue_is_closed_though_something_may_be_asked_for_on_it() -> None:
    told = circle("github", "github", "request.filed") + '\n[policy]\nticket_states = ["open", "closed"]'
    [fault] = faults(told)
    assert fault.endswith("the state must be open.")


def test_each_fault_has_its_own_sentence() -> None:
    assert len(faults("[policy]\nquorum = 1\napproval_window = 0")) == 2


def test_no_account_is_a_fault() -> None:
    assert faults(GOOD.split("[people", 1)[1].join(["[people", ""])) == ["accounts: no account is configured."]


def test_a_fault_never_shows_a_value() -> None:
    found = faults(GOOD + '[database]\nurl = ["postgresql://user:hunter2@db"]\nconnections = "hunter2"')
    assert "hunter2" not in " ".join(found)


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOTQUORUM_POLICY__APPROVAL_WINDOW", "PT1H")
    monkeypatch.setenv("ROOTQUORUM_PEOPLE__DAVE__NAME", "Dave")
    monkeypatch.setenv("ROOTQUORUM_PEOPLE__DAVE__ROLES", '["approver"]')
    settings = read(GOOD + '[policy]\napproval_window = "PT2H"')
    assert settings.policy.approval_window.total_seconds() == 3600
    assert "dave" in settings.directory().all_approvers


def test_an_environment_variable_that_names_no_setting_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOTQUORUM_POLCY__QUORUM", "3")
    [fault] = faults(GOOD)
    assert fault == (
        "The environment variable ROOTQUORUM_POLCY__QUORUM names no setting; did you mean ROOTQUORUM_POLICY__QUORUM?"
    )


def test_what_an_approver_has_in_the_environment_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOTQUORUM_URL", "https://rootquorum.example.com")
    monkeypatch.setenv("ROOTQUORUM_TOKEN", "rqp_x")
    assert read(GOOD).people.keys() == {"bob", "carol"}


def test_the_file_is_found_by_variable_or_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("rootquorum.toml").write_text(GOOD)
    assert load().people.keys() == {"bob", "carol"}
    monkeypatch.setenv("ROOTQUORUM_CONFIG", "missing.toml")
    with pytest.raises(FaultySettings, match=r"missing\.toml"):
        load()


def test_a_file_that_is_missing_is_told_before_all_that_follows_from_it() -> None:
    with pytest.raises(FaultySettings) as refusal:
        load()
    assert refusal.value.faults[0].startswith("There is no rootquorum.toml here")


def test_a_file_that_is_no_toml_is_a_fault_with_its_place() -> None:
    assert "line 1" in faults("this is = = no toml")[0]


WITHOUT_ISSUER = GOOD.split("[issuers", 1)[0]


def test_without_an_issuer_api_tokens_decide_only_where_the_settings_say_so() -> None:
    assert faults(WITHOUT_ISSUER)[0].startswith("policy.decision_requires_auth_time: without an issuer")
    read(WITHOUT_ISSUER + "[policy]\ndecision_requires_auth_time = false")


@pytest.mark.parametrize("demand", ['decision_acr = ["gold"]', 'decision_amr = ["hwk"]'])
def test_without_an_issuer_nobody_can_prove_a_stronger_sign_in(demand: str) -> None:
    (fault,) = faults(f"{WITHOUT_ISSUER}[policy]\ndecision_requires_auth_time = false\n{demand}")
    assert fault.startswith("policy.decision_acr and decision_amr: ")


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ('client_id = "x"\nscopes = ["profile"]', "issuers.corp.scopes: openid is missing."),
        ('client_secret = "x"', "issuers.corp.client_secret: it has no effect without client_id."),
        ('sends = "refresh_token"', "issuers.corp.sends: "),
    ],
)
def test_browsers_sign_in_as_a_whole_client_or_not_at_all(lines: str, fault: str) -> None:
    assert any(sentence.startswith(fault) for sentence in faults(GOOD + lines))


CLIENT = f'{GOOD}client_id = "x"\n'


@pytest.mark.parametrize("table", ["authorization_parameters", "token_parameters"])
def test_settings_add_parameters_of_one_or_several_values(table: str) -> None:
    lines = f'{table} = {{ audience = "https://api", resource = ["urn:a", "urn:b"] }}'
    found = getattr(read(CLIENT + lines).issuers["corp"], table)
    assert found == {"audience": "https://api", "resource": ("urn:a", "urn:b")}
    assert faults(GOOD + lines) == [f"issuers.corp.{table}: it has no effect without client_id."]


@pytest.mark.parametrize("table", ["authorization_parameters", "token_parameters"])
@pytest.mark.parametrize("name", [*sorted(RESERVED_PARAMETERS), "Client_ID", "STATE"])
def test_no_setting_replaces_what_the_service_itself_sends(table: str, name: str) -> None:
    (fault,) = faults(f'{CLIENT}{table} = {{ {name} = "hunter2" }}')
    assert fault.endswith("this parameter is reserved for the service.")
    assert "hunter2" not in fault


@pytest.mark.parametrize(
    "parameter", ['"a b" = "x"', '"" = "x"', 'a = ""', "a = []", 'a = [""]', 'a = "x\\ny"', "a = 7"]
)
def test_parameter_is_a_name_and_printable_text(parameter: str) -> None:
    assert all(
        fault.startswith("issuers.corp.authorization_parameters")
        for fault in faults(f"{CLIENT}authorization_parameters = {{ {parameter} }}")
    )


def test_parameter_may_come_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOTQUORUM_ISSUERS__CORP__AUTHORIZATION_PARAMETERS__AUDIENCE", "https://api")
    assert read(CLIENT).issuers["corp"].authorization_parameters == {"audience": "https://api"}


ELSEWHERE = GOOD.replace('url = "https://login.example.com"', 'url = "http://adfs.example.com/adfs/services/trust"')


def test_issuer_is_no_more_than_a_name_where_its_metadata_are_elsewhere() -> None:
    assert faults(ELSEWHERE) == ["issuers.corp.url: it is not an https URL, and there is no https discovery_url."]
    found = read(f'{ELSEWHERE}discovery_url = "https://adfs.example.com/metadata?appid=7"').issuers["corp"]
    assert found.discovery_url == "https://adfs.example.com/metadata?appid=7"


@pytest.mark.parametrize(
    "url",
    [
        "http://adfs.example.com",
        "adfs.example.com",
        "https://",
        "https://u:p@adfs.example.com",
        "https://a/#b",
        "file:///etc",
    ],
)
def test_metadata_are_fetched_over_https_or_from_this_machine(url: str) -> None:
    assert faults(f'{GOOD}discovery_url = "{url}"') == ["issuers.corp.discovery_url: it has to be an https URL."]


@pytest.mark.parametrize("setting", ["discovery_url", "url"])
@pytest.mark.parametrize(
    "url", ["https://hunter2\u2100.example.com", "https://[hunter2", "https://:hunter2@example.com"]
)
def test_no_fault_of_an_address_quotes_it(setting: str, url: str) -> None:
    text = GOOD.replace('url = "https://login.example.com"\n', "") if setting == "url" else GOOD
    found = faults(f'{text}{setting} = "{url}"')
    assert [fault.split(":")[0] for fault in found] == [f"issuers.corp.{setting}"]
    assert "hunter2" not in str(found)


def test_another_name_in_the_metadata_belongs_to_another_place_of_them() -> None:
    assert faults(f'{GOOD}discovery_issuer = "http://keycloak:8080/realms/x"') == [
        "issuers.corp.discovery_issuer: it has no effect without discovery_url."
    ]


def test_who_may_sign_in_as_an_approver_makes_the_quorum_possible() -> None:
    nobody = GOOD.replace('roles = ["approver"]', "roles = []")
    assert faults(nobody) == ["people: 0 approvers are fewer than policy.quorum; nothing could ever be approved."]
    read(nobody + '[[issuers.corp.grants]]\ngroup = "root-approvers"\nroles = ["approver"]')


def test_a_machine_may_hold_every_role_but_approver() -> None:
    directory = read(GOOD + '[machines.bot]\nname = "Bot"\nroles = ["requester", "auditor"]').directory()
    assert directory.members["bot"].kind is ActorKind.MACHINE
    assert directory.members["bot"].roles == {Role.REQUESTER, Role.AUDITOR}


def test_a_syslog_server_and_a_receiver_of_cloudevents_may_be_escalated_to() -> None:
    settings = read(
        f'{GOOD}[server]\npublic_url = "https://rq.example.com"\n[policy]\nescalate_to = ["soc", "siem"]\n'
        '[syslogs.soc]\nhost = "logs.example.com"\n[webhooks.siem]\nurl = "https://x.example.com"\n'
        f'format = "cloudevents-binary"\nsecrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]\n'
    )
    assert settings.policy_in_force().escalate_to == {"soc", "siem"}


def test_a_chat_may_be_escalated_to_and_its_url_is_in_no_repr() -> None:
    Path("url").write_text("https://hooks.example.com/services/a-secret\n")
    settings = read(f'{GOOD}[policy]\nescalate_to = ["oncall"]\n[chats.oncall]\nurl_file = "url"')
    assert settings.chats["oncall"].secret_url() == "https://hooks.example.com/services/a-secret"
    assert "a-secret" not in repr(read(f'{GOOD}[chats.oncall]\nurl = "https://hooks.example.com/a-secret"'))
