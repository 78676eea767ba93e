"""Answers the calls of the service to AWS at once, in a process of its own: every account has one key, which signs.

    python bench/instant_aws.py PORT

It checks nothing and keeps nothing but a number for new keys, so it costs less than what it is asked by. The access key
id names the account: `AKIA` and its twelve digits.
"""

import asyncio
import itertools
import re
import sys

_AT = "2026-01-01T00:00:00Z"
_ACTION, _KEY = re.compile(rb"Action=(\w+)"), re.compile(rb"Credential=AKIA(\d{12})/")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_RESULTS = {
    "GetCallerIdentity": "<Arn>arn:aws:iam::{account}:root</Arn><UserId>{account}</UserId><Account>{account}</Account>",
    "ListAccessKeys": (
        "<IsTruncated>false</IsTruncated><AccessKeyMetadata><member><AccessKeyId>AKIA{account}</AccessKeyId>"
        f"<Status>Active</Status><CreateDate>{_AT}</CreateDate></member></AccessKeyMetadata>"
    ),
    "GetAccessKeyLastUsed": (
        f"<AccessKeyLastUsed><LastUsedDate>{_AT}</LastUsedDate><ServiceName>iam</ServiceName>"
        "<Region>us-east-1</Region></AccessKeyLastUsed>"
    ),
    "GetAccountSummary": "<SummaryMap>"
    + "".join(
        f"<entry><key>{name}</key><value>{value}</value></entry>"
        for name, value in (
            ("AccountAccessKeysPresent", 1),
            ("AccountMFAEnabled", 1),
            ("AccountPasswordPresent", 1),
            ("AccountSigningCertificatesPresent", 0),
        )
    )
    + "</SummaryMap>",
    "ListMFADevices": (
        "<IsTruncated>false</IsTruncated><MFADevices><member><SerialNumber>arn:aws:iam::{account}:mfa/root"
        f"</SerialNumber><EnableDate>{_AT}</EnableDate></member></MFADevices>"
    ),
    "CreateAccessKey": (
        "<AccessKey><AccessKeyId>AKIANEW{number:013}</AccessKeyId><Status>Active</Status>"
        f"<SecretAccessKey>{'s' * 40}</SecretAccessKey><CreateDate>{_AT}</CreateDate></AccessKey>"
    ),
}
_numbers = itertools.count(1)


class _Aws(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if end and length is not None and len(body) >= int(length[1]):
            self._received = b""
            self._transport.write(_answer(head, body))


def _answer(head: bytes, body: bytes) -> bytes:
    action, key = _ACTION.search(body), _KEY.search(head)
    assert action is not None
    assert key is not None
    name = action[1].decode()
    result = _RESULTS[name].format(account=key[1].decode(), number=next(_numbers))
    content = (
        f"<{name}Response><{name}Result>{result}</{name}Result>"
        f"<ResponseMetadata><RequestId>00000000-0000-4000-8000-000000000000</RequestId></ResponseMetadata>"
        f"</{name}Response>"
    ).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Aws, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
