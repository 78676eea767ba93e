"""A KMS for tests, over HTTP and with signed requests: moto's has no Ed25519 keys.

It supports GetPublicKey and Sign, and checks requests against botocore's service model.
"""

import json
import uuid
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import botocore.session
from botocore.model import OperationModel, Shape, StructureShape
from botocore.validate import ParamValidator
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from moto.core.request import Request
from werkzeug.wrappers import Response

from service.aws.sources import FixedSource
from service.simulated_aws import wire
from service.simulated_aws.server import Server

KEY_ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
REGION = "eu-central-1"
_ACCESS_KEY_ID, _SECRET = "AKIAEXAMPLE000000001", "s" * 40
_MODEL = botocore.session.get_session().get_service_model("kms")


@dataclass
class Kms:
    """The KMS. `fault` may answer instead: with a response, or None to lose the response of a call that was done."""

    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    answers: dict[str, Any] = field(default_factory=dict)
    fault: Callable[[str], Response | None] | None = None
    faults: int = 0
    calls: list[str] = field(default_factory=list)
    url: str = ""

    @property
    def source(self) -> FixedSource:
        return FixedSource(_ACCESS_KEY_ID, _SECRET, self.url)

    def fail(self, answer: Callable[[str], Response | None], times: int = 100) -> None:
        self.fault, self.faults = answer, times

    def answer(self, request: Request) -> Response | None:
        incoming = wire.read(request)
        wire.check_signature(incoming, _SECRET, None)
        assert (incoming.service, incoming.region) == ("kms", REGION)
        assert request.headers["Content-Type"] == "application/x-amz-json-1.1"
        assert request.headers["X-Amz-Target"] == f"TrentService.{incoming.action}"
        operation = _MODEL.operation_model(incoming.action)
        parameters = _parameters(operation, json.loads(incoming.body))
        self.calls.append(incoming.action)
        said = self._said(incoming.action, parameters) | self.answers
        if self.faults and self.fault:
            self.faults -= 1
            return self.fault(incoming.action)
        known = operation.output_shape.members if operation.output_shape else {}
        return _json({name: value for name, value in said.items() if name in known})

    def _said(self, action: str, parameters: dict[str, Any]) -> dict[str, Any]:
        assert parameters["KeyId"] == KEY_ARN
        if action == "GetPublicKey":
            der = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            return {"PublicKey": _base64(der), "KeySpec": "ECC_NIST_EDWARDS25519", "KeyUsage": "SIGN_VERIFY"}
        # The only pair that signs with plain Ed25519, not with its variant for digests.
        assert (parameters["SigningAlgorithm"], parameters["MessageType"]) == ("ED25519_SHA_512", "RAW")
        return {"Signature": _base64(self.key.sign(parameters["Message"]))}


def _parameters(operation: OperationModel, given: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters with the service model's types. Fail for parameters outside the model."""
    shape = operation.input_shape
    assert isinstance(shape, StructureShape)
    assert set(given) <= set(shape.members)
    parameters = {name: _typed(shape.members[name], value) for name, value in given.items()}
    report = ParamValidator().validate(parameters, shape)
    assert not report.has_errors(), report.generate_report()
    return parameters


def _typed(shape: Shape, value: Any) -> Any:
    assert not shape.metadata.get("enum") or value in shape.metadata["enum"]
    if shape.type_name != "blob":
        return value
    content = b64decode(value, validate=True)
    assert shape.metadata["min"] <= len(content) <= shape.metadata["max"]
    return content


def _base64(content: bytes) -> str:
    return b64encode(content).decode()


def _json(body: dict[str, Any], status: int = 200) -> Response:
    headers = {"x-amzn-RequestId": str(uuid.uuid4())}
    return Response(json.dumps(body), status, headers, content_type="application/x-amz-json-1.1")


def refusing(code: str, status: int = 400) -> Callable[[str], Response]:
    """Refuse with an error whose message is like AWS's, and quotes what nobody needs to see."""
    return lambda _: _json({"__type": code, "message": f"User may not use {KEY_ARN}"}, status)


@contextmanager
def running_kms() -> Iterator[Kms]:
    kms = Kms()
    server = Server(kms.answer, 0)
    kms.url = server.url
    try:
        yield kms
    finally:
        server.stop()
