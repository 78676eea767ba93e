"""What the vectors have in common. Every key comes from a seed, and every signature is deterministic."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from support.signers import ORIGIN, RP_ID

from service.domain.request import Verdict
from service.domain.statement import DecisionStatement, LogHead, Namespace

FOLDER = Path(__file__).parents[3] / "conformance"
DECISION = DecisionStatement(
    service="rootquorum.example.com/log",
    head=LogHead(4711, hashlib.sha256(b"a log").hexdigest()),
    at=datetime(2026, 11, 27, 10, 15, tzinfo=UTC),
    request_id="5f8a3c52-1c6b-4e0f-9d4b-0a1b2c3d4e5f",
    digest=hashlib.sha256(b"a filing").hexdigest(),
    verdict=Verdict.APPROVE,
    person="dave",
)
MESSAGE, NAMESPACE = DECISION.bytes(), Namespace.DECISION.value
DEMANDS: Mapping[str, Any] = {
    "origins": [ORIGIN],
    "rp_id": RP_ID,
    "user_verified": True,
    "only_hardware": False,
    "only_device_bound": False,
}


def rsa_of(seed: bytes, bits: int, exponent: int = 65537) -> rsa.RSAPrivateKey:
    """Make a key of RSA from a seed. It is for vectors only: everybody can make it."""
    p, q = (_prime(seed + name, bits // 2, exponent) for name in (b"p", b"q"))
    d = pow(exponent, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(exponent, p * q)
    crt = (rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q))
    return rsa.RSAPrivateNumbers(p, q, d, *crt, public).private_key()


def _prime(seed: bytes, bits: int, exponent: int) -> int:
    """Return a prime with its two highest bits set, probably: it passes Fermat's test with four bases."""
    start = int.from_bytes(hashlib.shake_256(seed).digest(bits // 8), "big") | 3 << bits - 2 | 1
    for candidate in range(start, start + 2 * bits * bits, 2):
        is_likely = all(candidate % small for small in range(3, 2000, 2)) and (candidate - 1) % exponent
        if is_likely and all(pow(base, candidate - 1, candidate) == 1 for base in (2, 3, 5, 7)):
            return candidate
    raise AssertionError("no prime")
