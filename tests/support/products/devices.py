"""The device flow for Canaille, which has none (0.3).

It is that of Authlib, of which Canaille's other flows are made: its endpoint, its grant and its errors. Only what
Authlib leaves to a provider is here: where the codes are kept. The page on which a person types one is left out.
"""

import time
from typing import Any

from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint, DeviceCodeGrant, DeviceCredentialDict
from canaille.oidc.provider import authorization
from flask import jsonify

_INTERVAL = 1


class Devices:
    """The codes that were given out, and what people answered."""

    def __init__(self, app: Any, page: str) -> None:
        found: dict[str, DeviceCredentialDict] = {}
        self._answers: dict[str, tuple[Any, bool]] = {}
        answers = self._answers

        class Endpoint(DeviceAuthorizationEndpoint):  # type: ignore[misc]
            INTERVAL = _INTERVAL

            def get_verification_uri(self) -> str:
                return page

            def save_device_credential(self, client_id: str, scope: str, data: dict[str, Any]) -> None:
                ends = {"expires_at": time.time() + data["expires_in"]}
                found[data["device_code"]] = DeviceCredentialDict(client_id=client_id, scope=scope, **data, **ends)

        class Grant(DeviceCodeGrant):  # type: ignore[misc]
            def query_device_credential(self, device_code: str) -> DeviceCredentialDict | None:
                return found.get(device_code)

            def query_user_grant(self, user_code: str) -> tuple[Any, bool] | None:
                return answers.get(user_code)

            def should_slow_down(self, credential: DeviceCredentialDict) -> bool:
                asked_at, credential["asked_at"] = credential.get("asked_at", 0.0), time.monotonic()
                return bool(credential["asked_at"] - asked_at < _INTERVAL)

        with app.app_context():
            authorization.register_grant(Grant)
            authorization.register_endpoint(Endpoint)
        where = f"{page}/code"
        app.add_url_rule(
            "/device/code",
            "device_code",
            lambda: authorization.create_endpoint_response(Endpoint.ENDPOINT_NAME),
            methods=["POST"],
        )
        name = "oidc.home.openid_configuration_endpoint"
        usual = app.view_functions[name]
        app.view_functions[name] = lambda: jsonify({**usual().get_json(), "device_authorization_endpoint": where})

    def answer(self, user_code: str, person: Any, *, is_allowed: bool) -> None:
        self._answers[user_code] = (person, is_allowed)
