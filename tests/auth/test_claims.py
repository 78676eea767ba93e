"""What the claims of a verified token say: who somebody is, whether it is a person, and with which groups."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from service.auth.claims import Trust, is_address, read_login
from service.domain.errors import Unauthenticated
from service.domain.proof import Login, Unsaid

TRUST = Trust(name="corp", audience=frozenset({"rootquorum"}))
NOW = 1_790_000_000
PERSON: dict[str, Any] = {"iss": "https://login.example.com", "sub": "00uAbC", "iat": NOW, "auth_time": NOW}


def read(trust: Trust = TRUST, **claims: Any) -> Login:
    """The claims of a person with these changes, as JSON has them."""
    return read_login(trust, json.loads(json.dumps(PERSON | claims)))


def by(*path: str, **more: Any) -> Trust:
    return replace(TRUST, person_claim=path, **more)


# --- who ---


def test_without_a_claim_of_the_settings_a_person_is_issuer_and_subject_as_they_stand() -> None:
    assert (read().subject, read().formerly) == ("https://login.example.com#00uAbC", None)


@pytest.mark.parametrize(
    "subject", ["ann+root@example.com", "o'brien@example.com", "auth0|5f7c", "x" * 255, "corp\\ann"]
)
def test_whatever_is_visible_can_be_a_subject(subject: str) -> None:
    assert read(by("employee"), employee=subject).subject == subject


@pytest.mark.parametrize(
    "claim", ["\u212anut", "ann\n", "a b", "", " ", "ann\u200b", "é", "a#b", "x" * 256, 1.5, True, {}, []]
)
def test_what_is_no_name_names_nobody(claim: object) -> None:
    assert read(by("employee"), employee=claim).subject is Unsaid.UNREADABLE


def test_issuer_and_subject_of_others_cannot_be_claimed() -> None:
    """One provider's user name could be what the service makes of another provider's subject."""
    assert read(by("nickname"), nickname="https://login.example.com#boss").subject is Unsaid.UNREADABLE


@pytest.mark.parametrize("letter", ["\u212a", "\u0130", "\u017f"])  # lower case makes k, i and s of them, or nearly so
def test_letter_that_lower_case_would_make_ascii_is_refused_before(letter: str) -> None:
    for claim in ("employee", "preferred_username", "upn"):
        assert read(by(claim), **{claim: f"{letter}ate@example.com"}).subject is Unsaid.UNREADABLE


def test_subjects_that_differ_by_case_are_two_people() -> None:
    assert [read(by("uid"), uid=uid).subject for uid in ("00uAbC", "00uaBC")] == ["00uAbC", "00uaBC"]


def test_what_earlier_versions_made_of_a_claim_is_known() -> None:
    assert read(by("uid"), uid="00uAbC").formerly == "00uabc"
    assert read(by("uid"), uid="00uabc").formerly is None
    assert read(by("uid"), uid=4711).formerly is None


@pytest.mark.parametrize(
    "claim", ["upn", "preferred_username", "unique_name", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"]
)
def test_address_is_the_same_in_any_case(claim: str) -> None:
    assert read(by(claim), **{claim: "Ann@Example.com"}).subject == "ann@example.com"
    assert is_address((claim,))


def test_windows_name_is_the_same_in_any_case() -> None:
    assert read(by("unique_name"), unique_name=r"CORP\Eve").subject == r"corp\eve"


def test_user_name_that_is_no_address_is_compared_as_it_stands() -> None:
    """Where anybody can register, ANN is not ann."""
    assert read(by("preferred_username"), preferred_username="ANN").subject == "ANN"


@pytest.mark.parametrize("verified", [False, None, "true", "false", 1, [True], {}])
@pytest.mark.parametrize(
    ("claim", "beside"),
    [
        ("email", "email_verified"),
        ("mail", "mail_verified"),
        ("work-email", "work-email_verified"),
        ("user.email", "user.email_verified"),
        ("https://example.com/email", "https://example.com/email_verified"),
    ],
)
def test_mail_address_that_is_not_verified_is_nobody(claim: str, beside: str, verified: object) -> None:
    claims = {claim: "ann@example.com", beside: verified}
    assert read(by(claim), **claims).subject is Unsaid.UNVERIFIED


def test_verified_mail_address_is_somebody_wherever_it_stands() -> None:
    mail = {"email": "Ann@Example.com", "email_verified": True}
    named = {f"https://example.com/{name}": value for name, value in mail.items()}
    assert read(by("email"), **mail).subject == "ann@example.com"
    assert read(by("user", "email"), user=mail).subject == "ann@example.com"
    assert read(by("https://example.com/email"), **named).subject == "ann@example.com"


def test_verification_of_another_address_says_nothing() -> None:
    assert (
        read(by("user", "email"), user={"email": "ann@example.com"}, email_verified=True).subject is Unsaid.UNVERIFIED
    )


def test_claim_that_is_missing_or_elsewhere_names_nobody() -> None:
    assert read(by("uid")).subject is Unsaid.ABSENT
    assert read(by("uid"), _claim_names={"uid": "src1"}).subject is Unsaid.ELSEWHERE


# --- a path to a claim ---


def test_claim_is_found_inside_of_others() -> None:
    trust = by("user", "id", groups_claim=("resource_access", "rootquorum", "roles"), name_claim=("user", "name"))
    login = read(trust, user={"id": "E1", "name": "Ann"}, resource_access={"rootquorum": {"roles": ["a"]}})
    assert (login.subject, login.name, login.groups) == ("E1", "Ann", frozenset({"a"}))


def test_dots_in_a_name_are_no_path() -> None:
    trust = replace(TRUST, groups_claim=("https://example.com/groups",))
    assert read(trust, **{"https://example.com/groups": ["a"]}).groups == frozenset({"a"})
    assert read(replace(TRUST, groups_claim=("a.b",)), a={"b": ["x"]}).groups is Unsaid.ABSENT


@pytest.mark.parametrize("outer", [None, "text", 1, [], {}, {"roles": None}])
def test_path_that_leads_nowhere_is_an_absent_claim(outer: object) -> None:
    assert read(replace(TRUST, groups_claim=("realm_access", "roles")), realm_access=outer).groups is Unsaid.ABSENT


# --- groups ---


@pytest.mark.parametrize(
    ("claim", "groups"),
    [
        (["a", "b"], {"a", "b"}),
        ([], frozenset()),
        ("a", {"a"}),
        ("cn=a,ou=groups,dc=example", {"cn=a,ou=groups,dc=example"}),
        (None, Unsaid.ABSENT),
        ("", Unsaid.UNREADABLE),
        (" ", Unsaid.UNREADABLE),
        ({"a": True}, Unsaid.UNREADABLE),
        ('["a", "b"]', Unsaid.UNREADABLE),
        (' {"a": true} ', Unsaid.UNREADABLE),
        ([{"name": "a"}], Unsaid.UNREADABLE),
        (["a", 1], Unsaid.UNREADABLE),
        (["a", None], Unsaid.UNREADABLE),
        (["a", ["b"]], Unsaid.UNREADABLE),
        (7, Unsaid.UNREADABLE),
        (True, Unsaid.UNREADABLE),
    ],
)
def test_groups_are_a_list_of_texts_or_one_text(claim: object, groups: object) -> None:
    assert read(groups=claim).groups == groups


@pytest.mark.parametrize(
    ("text", "separator", "groups"),
    [
        ("a,b", ",", {"a", "b"}),
        (" a ; b c ;", ";", {"a", "b c"}),
        ("a b", " ", {"a", "b"}),
        ("", ",", Unsaid.UNREADABLE),  # which says nothing of groups
        ('["a","b"]', ",", Unsaid.UNREADABLE),
    ],
)
def test_text_is_divided_where_the_settings_say_so(text: str, separator: str, groups: object) -> None:
    assert read(replace(TRUST, groups_separator=separator), groups=text).groups == groups


def test_list_is_not_divided() -> None:
    assert read(replace(TRUST, groups_separator=","), groups=["a,b"]).groups == frozenset({"a,b"})


NONE = replace(TRUST, absent_groups_are_none=True)


def test_absent_groups_are_none_where_the_settings_say_so() -> None:
    assert read(NONE).groups == read(NONE, groups=None).groups == frozenset()
    assert read(NONE, groups={}).groups is Unsaid.UNREADABLE


@pytest.mark.parametrize(
    "pointer",
    [
        {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://graph.example.com"}}},
        {"hasgroups": True},
        {"hasgroups": "true"},
        {"groups:src1": "https://graph.example.com"},
    ],
)
@pytest.mark.parametrize("beside", [{}, {"groups": ["a"]}, {"groups": []}])
def test_pointer_in_the_place_of_groups_never_means_none(pointer: dict[str, Any], beside: dict[str, Any]) -> None:
    assert read(NONE, **pointer, **beside).groups is Unsaid.ELSEWHERE


def test_pointer_to_another_claim_says_nothing_of_this_one() -> None:
    roles = replace(TRUST, groups_claim=("roles",))
    assert read(roles, roles=["a"], hasgroups=True, _claim_names={"groups": "src1"}).groups == frozenset({"a"})
    assert read(hasgroups=False, groups=["a"]).groups == frozenset({"a"})


# --- what proved it ---


@pytest.mark.parametrize("odd", [7, True, {}, ["x"], "a\0b", "x" * 256])
def test_optional_text_of_a_wrong_type_counts_as_absent(odd: object) -> None:
    proof = read(acr=odd, jti=odd).proof
    assert (proof.acr, proof.jti) == (None, None)


@pytest.mark.parametrize(
    "odd", ["2026-11-23T12:00:00.000Z", "1790000000", True, {}, [NOW], 10**400, float("inf"), -(10**15)]
)
def test_sign_in_at_no_time_counts_as_absent(odd: object) -> None:
    assert read(auth_time=odd, nonce="n").proof.auth_time is None


def test_method_can_be_a_text() -> None:
    assert read(amr="mfa").proof.amr == ("mfa",)
    assert read(amr={"mfa": True}).proof.amr == read(amr=7).proof.amr == ()


@pytest.mark.parametrize("odd", [None, "", 7, {}, "a\0b", "x" * 256, "\ud800"])
def test_token_is_somebodys(odd: object) -> None:
    with pytest.raises(Unauthenticated):
        read(sub=odd)


@pytest.mark.parametrize("odd", [None, "1790000000", True, 10**400, float("nan")])
def test_token_was_issued_at_a_time(odd: object) -> None:
    with pytest.raises(Unauthenticated):
        read(iat=odd)


def test_time_of_issue_is_read_to_the_second() -> None:
    assert read(iat=NOW + 0.9).proof.issued_at == datetime.fromtimestamp(NOW, UTC)


# --- people and machines ---

MACHINES: dict[str, dict[str, Any]] = {
    "RFC 9068": {"client_id": "00uAbC"},
    "OpenID Connect Core": {"azp": "00uAbC"},
    "Okta": {"sub": "0oa1", "cid": "0oa1"},
    "Okta with another subject": {"sub": "robot@example.com", "cid": "0oa1"},
    "Keycloak": {"preferred_username": "service-account-robot", "azp": "robot"},
    "Keycloak, by the client's name": {"client_id": "service-account-robot"},
    "Keycloak without the scope profile": {"clientHost": "192.0.2.1"},
    "Keycloak before 20": {"clientId": "robot", "clientAddress": "192.0.2.1"},
    "Keycloak with a mapped user name": {"username": "service-account-robot"},
    "Entra ID": {"oid": "00uAbC"},
    "Entra ID by its kind": {"idtyp": "app"},
    "Entra ID by the kind of a device": {"idtyp": "device"},
    "Entra ID with a kind that says nothing": {"idtyp": None},
    "Entra ID or AD FS": {"appid": "4711"},
    "Auth0": {"sub": "abc@clients"},
    "PingAM": {"sub": "(age!robot)"},
    "Auth0 by the grant": {"gty": "client-credentials"},
    "FusionAuth": {"gty": ["client_credentials"]},
    "UAA": {"grant_type": "client_credentials"},
    "Oracle": {"sub_type": "client"},
    "WSO2": {"aut": "APPLICATION"},
    "Cognito": {"token_use": "access", "scope": "rootquorum/file"},
    "Google": {"email": "robot@project.iam.gserviceaccount.com", "email_verified": True},
    "authentik's own user": {"preferred_username": "ak-rootquorum-client_credentials", "sid": "s"},
    "authentik without a session": {"acr": "goauthentik.io/providers/oauth2/default", "preferred_username": "robot"},
    "somebody else who acts": {"act": {"sub": "robot"}},
}


@pytest.mark.parametrize("sign", MACHINES)
def test_each_provider_s_machine_is_one_whatever_else_it_says(sign: str) -> None:
    """Even beside a sign-in, and a claim that the settings say only people have."""
    trust = replace(TRUST, people_have=(("kind",), frozenset({"person"})))
    assert read(**MACHINES[sign]).machine_by
    assert read(trust, **MACHINES[sign], kind="person").machine_by


@pytest.mark.parametrize(
    "sign",
    [{"auth_time": NOW}, {"nonce": "n"}, {"amr": ["pwd"]}, {"amr": "pwd"}, {"idtyp": "user"}, {"auth_time": 0.9 + NOW}],
)
def test_person_is_told_by_a_sign_in(sign: dict[str, Any]) -> None:
    assert read(**{"auth_time": None} | sign).machine_by is None


@pytest.mark.parametrize(
    "rest",
    [
        {},
        {"auth_time": 0},
        {"auth_time": "2026-11-23T12:00:00.000Z"},
        {"nonce": ""},
        {"nonce": 7},
        {"amr": []},
        {"amr": [7]},
        {"acr": "1"},
        {"sid": "s"},
        {"azp": "robot", "scope": "openid profile"},
        {"email": "ann@example.com", "email_verified": True, "name": "Ann", "preferred_username": "ann"},
        {"client_id": "robot"},
        {"sub": "repo:corp/infra:ref:refs/heads/main"},
        {"sub": "system:serviceaccount:default:robot"},
    ],
)
def test_whoever_cannot_be_told_to_be_a_person_is_a_machine(rest: dict[str, Any]) -> None:
    assert read(**{"auth_time": None} | rest).machine_by == "nothing in its token shows that a person has signed in"


@pytest.mark.parametrize(
    ("values", "claim", "is_person"),
    [
        ({"user"}, "user", True),
        ({"internal", "external"}, "external", True),
        ({"staff"}, ["staff", "other"], True),
        ({True}, True, True),
        ({"user"}, "User", False),
        ({"user"}, None, False),
        ({True}, 1, False),
        ({True}, "true", False),
        ({"user"}, {"user": True}, False),
    ],
)
def test_settings_name_what_only_people_have(values: set[str | bool], claim: object, *, is_person: bool) -> None:
    """A sign-in alone does not make a person then, and is not needed either."""
    trust = replace(TRUST, people_have=(("about", "kind"), frozenset(values)))
    for auth_time in (None, NOW):
        assert (read(trust, about={"kind": claim}, auth_time=auth_time).machine_by is None) is is_person


@pytest.mark.parametrize("claim", ["sub", "cognito:username", "login", "eduPersonPrincipalName"])
def test_two_spellings_of_an_address_are_one_person_whatever_the_claim_is_called(claim: str) -> None:
    trust = replace(TRUST, person_claim=(claim,))
    spelled = [read(trust, **{claim: value}).subject for value in ("Ann@Example.com", "ann@example.com")]
    assert spelled == ["ann@example.com"] * 2


def test_two_spellings_of_a_program_make_no_person() -> None:
    assert read(TRUST, sub="CI", client_id="ci").machine_by is not None
    assert read(TRUST, sub="s1", oid="S1").machine_by is not None
    assert read(TRUST, email="x@p.IAM.GServiceAccount.com").machine_by is not None


@pytest.mark.parametrize(
    ("claims", "email"),
    [
        ({}, Unsaid.ABSENT),
        ({"email": None, "email_verified": True}, Unsaid.ABSENT),
        ({"email": "ann@example.com", "email_verified": True}, "ann@example.com"),
        ({"email": "Ann.O'Neil+root@example.com", "email_verified": True}, "Ann.O'Neil+root@example.com"),
        ({"email": "ann@example.com"}, Unsaid.UNVERIFIED),
        *(
            ({"email": "ann@example.com", "email_verified": odd}, Unsaid.UNVERIFIED)
            for odd in (False, "true", 1, [True])
        ),
        *(
            ({"email": odd, "email_verified": True}, Unsaid.UNREADABLE)
            for odd in (
                *(7, ["ann@example.com"], "", "ann", "@example.com", "ann@", "ann@x..example", "ann@-x.example"),
                *("ann@example.com\n", "ann@example.com\r\nBcc: b@evil.example", "a b@example.com", ".a@example.com"),
                *("Ann <ann@example.com>", "ann@example.com, b@evil.example", '"a b"@example.com', "ann@[127.0.0.1]"),
                *("ann@ex\u00e4mple.com", "\u00e4nn@example.com", "ann@example.com\0", "a" * 65 + "@example.com"),
                "ann@" + ".".join(["x" * 60] * 5),
            )
        ),
    ],
)
def test_an_address_for_mail_is_verified_and_can_do_no_harm(claims: dict[str, Any], email: str | Unsaid) -> None:
    assert read(**claims).email == email
