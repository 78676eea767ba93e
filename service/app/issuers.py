"""Makes the trusted issuers from the settings."""

import httpx

from service.api.sign_ins import FailedSignIns, SignIns
from service.auth.browser import BrowserClient
from service.auth.claims import Trust
from service.auth.oidc import Verifier
from service.auth.provider import Provider
from service.settings import IssuerSettings, Settings, path_of


def trusted(settings: Settings, http: httpx.Client) -> list[tuple[Trust, Provider]]:
    """Return each issuer in the settings with the provider that supplies its keys."""
    return [(_trust(name, issuer, settings), _provider(issuer, http)) for name, issuer in settings.issuers.items()]


def _provider(issuer: IssuerSettings, http: httpx.Client) -> Provider:
    return Provider(
        issuer.url, http, address=issuer.discovery_url, metadata_issuer=issuer.discovery_issuer or issuer.url
    )


def _trust(name: str, issuer: IssuerSettings, settings: Settings) -> Trust:
    only = issuer.people_have
    return Trust(
        name=name,
        audience=issuer.audience,
        client_id_as_audience=issuer.client_id_as_audience,
        acr_values=settings.policy.decision_acr,
        person_claim=None if issuer.person_claim is None else path_of(issuer.person_claim),
        name_claim=path_of(issuer.name_claim),
        groups_claim=path_of(issuer.groups_claim),
        groups_separator=issuer.groups_separator,
        absent_groups_are_none=issuer.groups_absent == "none",
        people_have=None if only is None else (path_of(only.claim), only.values),
    )


def sign_ins(settings: Settings, http: httpx.Client, failures: FailedSignIns) -> SignIns:
    """Return the ways to sign in with the issuers' tokens. `browsers` are those that name this service as a client."""
    issuers = trusted(settings, http)
    providers = {trust.name: provider for trust, provider in issuers}
    return SignIns(
        Verifier(issuers),
        {
            name: BrowserClient(
                provider=providers[name],
                http=http,
                client_id=issuer.client_id,
                client_secret=None if issuer.client_secret is None else issuer.client_secret.get_secret_value(),
                scopes=issuer.scopes,
                sends=issuer.sends,
                max_age=int(settings.policy.decision_max_auth_age.total_seconds()),
                acr_values=" ".join(sorted(settings.policy.decision_acr)),
                authorization_parameters=issuer.authorization_parameters,
                token_parameters=issuer.token_parameters,
            )
            for name, issuer in settings.issuers.items()
            if issuer.client_id is not None
        },
        failures,
    )
