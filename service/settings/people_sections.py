"""The tables of the settings about people, machines, and the providers at which they sign in."""

from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field, SecretStr, StringConstraints

from service.domain.actor import Role
from service.settings.checks import split_url, wrong
from service.settings.values import AccountId, MailAddress, Name, Section


def is_guarded(url: str) -> bool:
    """Return whether nobody on the way can change the answer: https, or this machine itself."""
    parts = split_url(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in {"localhost", "127.0.0.1", "::1"})


_NO_URL = "it has to be an https URL"


def _check_issuer(url: str) -> str:
    parts = split_url(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise wrong(_NO_URL)
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise wrong("an issuer has neither query nor fragment nor user")
    return url


def _check_discovery(url: str) -> str:
    parts = split_url(url)
    if not is_guarded(url) or not parts.hostname or parts.fragment or "@" in parts.netloc:
        raise wrong(_NO_URL)
    return url


# Parameters that the service sends to a provider itself, or that would override these. Settings must not set them
# (OpenID Connect Core 1.0, RFC 6749, RFC 7523, RFC 7636, RFC 9101, RFC 9126, RFC 9449).
RESERVED_PARAMETERS = frozenset(
    {
        "acr_values",
        "assertion",
        "client_assertion",
        "client_assertion_type",
        "client_id",
        "client_secret",
        "code",
        "code_challenge",
        "code_challenge_method",
        "code_verifier",
        "dpop_jkt",
        "grant_type",
        "id_token_hint",
        "max_age",
        "nonce",
        "password",
        "redirect_uri",
        "refresh_token",
        "request",
        "request_uri",
        "response_mode",
        "response_type",
        "scope",
        "state",
        "username",
    }
)


def _check_parameter(name: str) -> str:
    # Some providers ignore case.
    if name.lower() in RESERVED_PARAMETERS:
        raise wrong("this parameter is reserved for the service")
    return name


ParameterName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.:-]{0,63}$"), AfterValidator(_check_parameter)
]


ParameterValue = Annotated[str, StringConstraints(pattern=r"^[ -~]{1,2048}$")]


# Several values repeat the parameter.
Parameters = dict[ParameterName, ParameterValue | Annotated[tuple[ParameterValue, ...], Field(min_length=1)]]


class GrantSettings(Section):
    """Roles for a group. `group` is a value of the claim; `accounts`, if given, limits the roles to these accounts."""

    group: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    roles: Annotated[frozenset[Role], Field(min_length=1)]
    accounts: frozenset[AccountId] | None = None


ClaimName = Annotated[str, StringConstraints(min_length=1, max_length=255)]


# The name of a claim; a list is a path into nested claims. A string is never a path, because names may contain dots.
ClaimPath = ClaimName | Annotated[tuple[ClaimName, ...], Field(min_length=1, max_length=8)]


def path_of(claim: ClaimPath) -> tuple[str, ...]:
    return (claim,) if isinstance(claim, str) else claim


class PeopleHaveSettings(Section):
    """A claim, and the value or values of it that only people have."""

    claim: ClaimPath = Field(
        title="a claim",
        json_schema_extra={"default": "none; with `value`"},
        description=(
            'The claim that distinguishes people from machines: `people_have = { claim = "user_type", '
            'value = ["internal", "external"] }`. Without it [the usual '
            "signs](signing-in.md#people-and-machines) decide."
        ),
    )
    value: bool | ClaimName | Annotated[frozenset[ClaimName], Field(min_length=1)] = Field(
        title="text, `true`, or list of texts",
        json_schema_extra={"default": "none; with `claim`"},
        description=(
            "Its value, or values, for people but not for machines. If the claim is a list, one "
            "matching value is enough. A token without a match is not a person's."
        ),
    )

    @property
    def values(self) -> frozenset[str | bool]:
        return frozenset({self.value}) if isinstance(self.value, str | bool) else frozenset(self.value)


class IssuerSettings(Section):
    """An OpenID Connect provider. `url` is its exact issuer; `audience` is the audience of its tokens for us.

    `discovery_url` overrides the address of its metadata, `discovery_issuer` the issuer that the metadata must name.
    `person_claim` is the claim that is the same for all logins of one human. `groups_absent` says what a token without
    groups means. `people_have` distinguishes people from machines if no standard claim does. `client_id` enables
    sign-in from the pages; `sends` selects which of the two returned tokens is used.
    """

    url: Annotated[str, AfterValidator(_check_issuer)] = Field(
        title="https URL; http on loopback, or with `discovery_url`",
        description="The issuer, exactly as in its tokens (`iss`). Its metadata gives endpoints and keys.",
    )
    discovery_url: Annotated[str, AfterValidator(_check_discovery)] | None = Field(
        default=None,
        title="https URL; http on loopback only",
        json_schema_extra={"default": "`url` and `/.well-known/openid-configuration`"},
        description="Where the metadata is, if elsewhere. See [below](#metadata-in-another-place).",
    )
    discovery_issuer: Annotated[str, StringConstraints(min_length=1, max_length=2048)] | None = Field(
        default=None,
        json_schema_extra={"default": "`url`"},
        description=(
            "The `issuer` in the metadata at `discovery_url`, if that is not `url`. It is compared exactly too."
        ),
    )
    audience: Annotated[frozenset[Name], Field(min_length=1)] = Field(
        title="list of texts, one at least",
        description="Tokens for one of these (`aud`) are accepted. For ID tokens, the client's id.",
    )
    client_id_as_audience: bool = Field(
        default=False,
        description=(
            "Accept a token without `aud` if its `client_id` is one of `audience`. For access tokens "
            "of Amazon Cognito, which have no `aud`. If a token has an `aud`, only that counts."
        ),
    )
    person_claim: ClaimPath | None = Field(
        default=None,
        title="a claim",
        json_schema_extra={"default": "none; required beside `people`"},
        description=(
            "The claim that is the same for all logins of one person, and that nobody can change: "
            "`employee_id`. [How its values are compared](signing-in.md#people). It names the people "
            "in `people`. Without it a person is the issuer and the token's `sub`, so somebody with "
            "two logins has two votes."
        ),
    )
    name_claim: ClaimPath = Field(
        default="name",
        title="a claim",
        description="The name to show, with `email` beside it. Neither is ever compared with anything.",
    )
    groups_claim: ClaimPath = Field(
        default="groups", title="a claim", description="The claim that `grants` refer to: a list of texts, or one text."
    )
    groups_separator: Annotated[str, StringConstraints(min_length=1, max_length=10)] | None = Field(
        default=None,
        description=(
            'The separator between groups if the claim is one text: `","`. Blanks around a group are '
            "dropped. Without it one text is one group, since LDAP names contain commas."
        ),
    )
    groups_absent: Literal["refuse", "none"] = Field(
        default="refuse",
        description=(
            "What a token without this claim means. `refuse`: nothing is known, so the sign-in is "
            "refused, and no role and no vote is lost. `none`: the person is in no group, for "
            "providers that then omit the claim. Use it only if no token for `audience` omits the "
            "claim for another reason."
        ),
    )
    people_have: PeopleHaveSettings | None = None
    grants: tuple[GrantSettings, ...] = Field(
        default=(),
        description=(
            "What groups mean here. Each has `group`, `roles` and, to limit them to some accounts, `accounts`."
        ),
    )
    client_id: Name | None = Field(
        default=None,
        description=(
            "This service as a client of the provider, for signing in at the desk and in Swagger UI. "
            "Without it these pages accept only pasted tokens."
        ),
    )
    client_secret: SecretStr | None = Field(
        default=None,
        description=(
            "For a provider without public clients. Prefer the variable. It is sent by "
            "`client_secret_basic`, or by `client_secret_post` if the provider's metadata has only "
            "that."
        ),
    )
    scopes: tuple[Name, ...] = Field(
        default=("openid", "profile", "email"),
        description=("The scopes that the desk and Swagger UI request; some providers require one more for groups."),
    )
    sends: Literal["access_token", "id_token"] = Field(
        default="access_token",
        description=(
            "Which of the provider's tokens the desk and Swagger UI use. It must be a JWT for "
            "`audience`, with groups and `auth_time`."
        ),
    )
    authorization_parameters: Parameters = Field(
        default={},
        title="table of texts, or of lists of texts",
        description=(
            "Additional parameters of the desk's and Swagger UI's sign-in for the authorization "
            "endpoint. See [below](#parameters-of-a-sign-in)."
        ),
    )
    token_parameters: Parameters = Field(
        default={}, title="table of texts, or of lists of texts", description="The same for the token endpoint."
    )


class PersonSettings(Section):
    """A person, keyed by the value of `person_claim`. `accounts`, if given, limits the roles to these accounts.

    Until `away_until`, reminders do not name the person. Their votes count all the same. `email` is where they are told
    in person; without it, it is the address that their provider has verified.
    """

    name: Name = Field(description="The name to show.")
    roles: frozenset[Role] = Field(default=frozenset(), description="Any of the roles below.")
    accounts: frozenset[AccountId] | None = Field(
        default=None,
        title="list of account ids",
        json_schema_extra={"default": "all"},
        description="The accounts in which the roles hold.",
    )
    away_until: AwareDatetime | None = Field(
        default=None,
        description=(
            "Until then nobody waits for this person: reminders leave them out, and a request that "
            "needs them counts as stuck if they are away until its `approve_by`. A vote of theirs "
            "counts all the same. Votes cannot be delegated."
        ),
    )
    email: MailAddress | None = Field(
        default=None,
        title="mail address in ASCII",
        json_schema_extra={"default": "the address that their provider has verified"},
        description="Where [mails](notifications.md#mail) to this person go.",
    )


class MachineSettings(Section):
    """A machine. If it signs in at a provider, `issuer` names that, and `login` is the subject of its tokens."""

    name: Name = Field(description="The name to show.")
    # No `approver`: a machine never decides.
    roles: frozenset[Literal["requester", "auditor", "operator"]] = Field(default=frozenset(), description="As above.")
    accounts: frozenset[AccountId] | None = Field(
        default=None,
        title="list of account ids",
        json_schema_extra={"default": "all"},
        description="The accounts in which the roles hold.",
    )
    issuer: str | None = Field(
        default=None,
        title="name of a table in `issuers`",
        description=(
            "Where the machine gets its tokens, by the client-credentials grant, instead of an API "
            "token or in addition to it. Requires `login`."
        ),
    )
    login: Name | None = Field(default=None, description="The `sub` of its tokens there.")
