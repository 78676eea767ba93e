"""Receivers are written in other languages: JavaScript's library takes what we send, and we take what it signs."""

import base64
import json
import os
from datetime import UTC, datetime
from subprocess import CalledProcessError
from typing import Any

import pytest
from support.destinations import SECRET, Siem, listening
from support.products.nodejs import is_there, node

from service.domain.delivery import Answer, Notice
from service.domain.hooks import BadSignature
from service.notify.webhooks import PrivateKey, Webhook, signer, verifier, verify
from service.outbound.guarded import new_client

_SEED = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="  # RFC 8032, 7.1, test 1
_NOTICE = Notice(
    id="msg_1", event="request.filed", ticket=None, document={"type": "request.filed", "name": "Jürgen 山"}
)

# Each reads from its input what it is given, and prints what it makes of it.
_VERIFY = """
const { Webhook } = require("standardwebhooks");
const { secret, headers, body } = JSON.parse(require("fs").readFileSync(0));
console.log(JSON.stringify(new Webhook(secret).verify(body, headers)));
"""
_SIGN = """
const { Webhook } = require("standardwebhooks");
const { secret, id, at, body } = JSON.parse(require("fs").readFileSync(0));
console.log(new Webhook(secret).sign(id, new Date(at * 1000), body));
"""
_VERIFY_ED25519 = """
const crypto = require("crypto");
const { key, headers, body } = JSON.parse(require("fs").readFileSync(0));
const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
const [, signature] = headers["webhook-signature"].split(" ").find((one) => one.startsWith("v1a,")).split(",");
const known = crypto.createPublicKey({ key: Buffer.from(key, "base64"), format: "der", type: "spki" });
console.log(crypto.verify(null, Buffer.from(signed), known, Buffer.from(signature, "base64")));
"""
_SIGN_ED25519 = """
const crypto = require("crypto");
const { id, at, body } = JSON.parse(require("fs").readFileSync(0));
const { publicKey, privateKey } = crypto.generateKeyPairSync("ed25519");
const signature = crypto.sign(null, Buffer.from(`${id}.${at}.${body}`), privateKey).toString("base64");
console.log(JSON.stringify({ signature, key: publicKey.export({ format: "jwk" }).x }));
"""

pytestmark = pytest.mark.skipif(
    not is_there() and "CI" not in os.environ, reason="no Node.js packages here; `make node` installs them"
)


def delivered(*secrets: str) -> tuple[dict[str, str], str]:
    """Headers and body as they arrived over HTTP."""
    with listening() as siem:
        hook = Webhook("siem", siem.url, tuple(map(signer, secrets)), new_client(frozenset({"127.0.0.1"})))
        assert hook.deliver(_NOTICE).answer is Answer.DELIVERED
        return _only(siem)


def _only(siem: Siem) -> tuple[dict[str, str], str]:
    [(headers, body)] = siem.received
    return headers, body.decode()


def run(program: str, **given: Any) -> str:
    return node(program, stdin=json.dumps(given)).strip()


def test_javascript_takes_what_we_send() -> None:
    headers, body = delivered(SECRET)
    assert json.loads(run(_VERIFY, secret=SECRET, headers=headers, body=body)) == _NOTICE.document


def test_javascript_takes_what_several_secrets_signed() -> None:
    headers, body = delivered(_SEED, "whsec_" + base64.b64encode(b"o" * 32).decode(), SECRET)
    assert json.loads(run(_VERIFY, secret=SECRET, headers=headers, body=body)) == _NOTICE.document


def test_javascript_refuses_what_was_changed_on_the_way() -> None:
    headers, body = delivered(SECRET)
    for changed in ({"body": f"{body} "}, {"headers": headers | {"webhook-id": "msg_2"}}, {"secret": "whsec_b3RoZXI="}):
        with pytest.raises(CalledProcessError) as ended:
            run(_VERIFY, **({"secret": SECRET, "headers": headers, "body": body} | changed))
        assert "No matching signature found" in ended.value.stderr


def test_javascript_takes_our_key_pair_and_refuses_another_body() -> None:
    headers, body = delivered(_SEED)
    private = signer(_SEED)
    assert isinstance(private, PrivateKey)
    raw = base64.b64decode(str(private.public()).removeprefix("whpk_"))
    key = base64.b64encode(bytes.fromhex("302a300506032b6570032100") + raw).decode()  # RFC 8410, 10.1
    assert run(_VERIFY_ED25519, key=key, headers=headers, body=body) == "true"
    assert run(_VERIFY_ED25519, key=key, headers=headers, body=f"{body} ") == "false"


def test_we_take_what_javascript_signs() -> None:
    now = datetime.now(UTC)
    at, body = int(now.timestamp()), '{"name": "Jürgen 山"}'
    signature = run(_SIGN, secret=SECRET, id="msg_1", at=at, body=body)
    headers = {"Webhook-Id": "msg_1", "Webhook-Timestamp": str(at), "Webhook-Signature": signature}
    assert verify([verifier(SECRET)], headers, body.encode(), now).id == "msg_1"
    with pytest.raises(BadSignature):
        verify([verifier(SECRET)], headers, body.encode() + b" ", now)


def test_we_take_what_javascript_signs_with_a_key_pair() -> None:
    now = datetime.now(UTC)
    at, body = int(now.timestamp()), '{"name": "Jürgen 山"}'
    made = json.loads(run(_SIGN_ED25519, id="msg_1", at=at, body=body))
    key = base64.b64encode(base64.urlsafe_b64decode(made["key"] + "=")).decode()
    headers = {"Webhook-Id": "msg_1", "Webhook-Timestamp": str(at), "Webhook-Signature": f"v1a,{made['signature']}"}
    assert verify([verifier(f"whpk_{key}")], headers, body.encode(), now).id == "msg_1"
    with pytest.raises(BadSignature):
        verify([verifier(f"whpk_{key}")], headers, body.encode() + b" ", now)


def test_javascript_makes_the_published_signature() -> None:
    """The one that `test_webhooks.py` makes and takes."""
    made = run(_SIGN, secret=SECRET, id="msg_p5jXN8AQM9LWM0D4loKWxJek", at=1614265330, body='{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
