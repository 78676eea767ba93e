"""Responses that are not from AWS, or were altered. `Rewritten` sends them in place of the simulated AWS's."""

import re
from collections.abc import Callable

Change = Callable[[bytes], bytes]

CANARY = "canary/7f3a+91c2/0b44+de58/a6f0+3177"

_ANY_ID = "7a62c49f-347e-4fc4-9331-6e8e00000000"
_HTML = f"<html><head><title>Sign in</title></head><body><p>{CANARY}<br>Sign in here.</body></html>"
_XHTML = f'<html xmlns="http://www.w3.org/1999/xhtml"><head/><body><p>{CANARY}</p></body></html>'


def page(status: str, body: bytes | str, *headers: str) -> Change:
    """Replace AWS's response by somebody else's."""
    content = body.encode() if isinstance(body, str) else body
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", "Connection: close", *headers])
    return lambda _: head.encode() + b"\r\n\r\n" + content


# Responses of captive portals, proxies and filters.
PAGES: dict[str, Change] = {
    "a login page": page("200 OK", _HTML, "Content-Type: text/html"),
    "XHTML": page("200 OK", _XHTML, "Content-Type: application/xhtml+xml"),
    "nothing": page("200 OK", ""),
    "JSON": page("200 OK", f'{{"error": "{CANARY}"}}', "Content-Type: application/json"),
    "null": page("200 OK", "null", "Content-Type: application/json"),
    "a list": page("200 OK", f'["{CANARY}"]', "Content-Type: application/json"),
    "UTF-16": page("200 OK", _XHTML.encode("utf-16")),
    "no text": page("200 OK", b"\x00\xff\xfe" + CANARY.encode()),
    "another's XML": page("200 OK", f"<Envelope><Body>{CANARY}</Body></Envelope>"),
    "an error of another's": page(
        "403 Forbidden", f"<Error><Code>AccessDenied</Code><Message>{CANARY}</Message></Error>"
    ),
    "403": page("403 Forbidden", _XHTML),
    "403, not well-formed": page("403 Forbidden", _HTML),
    "403 in JSON": page("403 Forbidden", f'{{"message": "{CANARY}"}}'),
    "403, empty": page("403 Forbidden", ""),
    "403 with AWS's headers": page("403 Forbidden", _XHTML, f"x-amzn-RequestId: {_ANY_ID}"),
    "404": page("404 Not Found", _XHTML),
    "407": page("407 Proxy Authentication Required", _XHTML, "Proxy-Authenticate: Basic"),
    "408": page("408 Request Timeout", _XHTML),
    "429": page("429 Too Many Requests", _XHTML),
    "502": page("502 Bad Gateway", _HTML),
    "a redirect": page("302 Found", _XHTML, "Location: https://portal.example.com/"),
    "headers without an end": lambda real: real.replace(b"\r\n\r\n", b"\r\n" + CANARY.encode() + b"\r\n", 1),
    "half of it": lambda real: real[: -len(real) // 3],
}

# One of each kind, for tests that would take too long with all of them.
KINDS = ("a login page", "XHTML", "403", "403 with AWS's headers")


def on_body(change: Callable[[str], str]) -> Change:
    """Replace the body of AWS's response, and adjust its length."""

    def changed(real: bytes) -> bytes:
        head, _, body = real.partition(b"\r\n\r\n")
        content = change(body.decode()).encode()
        return re.sub(rb"(?i)(content-length: )\d+", rb"\g<1>%d" % len(content), head) + b"\r\n\r\n" + content

    return changed


def without(element: str) -> Change:
    """Remove this XML element with its content, or this JSON member."""

    def cut(body: str) -> str:
        cut_xml = re.sub(rf"<{element}>.*?</{element}>|<{element}/>", "", body, flags=re.DOTALL)
        return re.sub(rf'"{element}": ("[^"]*"|[\d.]+|\[.*\]),? ?', "", cut_xml, flags=re.DOTALL)

    return on_body(cut)


def saying(element: str, value: str) -> Change:
    """Replace the content of the XML element."""
    return on_body(
        lambda body: re.sub(rf"<{element}>.*?</{element}>", f"<{element}>{value}</{element}>", body, flags=re.DOTALL)
    )


def error_of(code: str, request_id: str | None = _ANY_ID) -> str:
    """Return an error in IAM's format."""
    its_id = f"<RequestId>{request_id}</RequestId>" if request_id else ""
    return f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code></Error>{its_id}</ErrorResponse>"


def with_headers_of_aws(status: str, body: str) -> Change:
    """Replace status and body, but keep AWS's headers."""

    def changed(real: bytes) -> bytes:
        return re.sub(rb"\A[^\r]+", f"HTTP/1.1 {status}".encode(), on_body(lambda _: body)(real))

    return changed


# Responses that look like a refusal by AWS, but do not prove one.
DOUBTFUL: dict[str, Change] = {
    "a time-out": page("408 Request Timeout", error_of("RequestTimeout")),
    "a time-out by its long name": page("400 Bad Request", error_of("RequestTimeoutException")),
    "an earlier request": page("400 Bad Request", error_of("PriorRequestNotComplete")),
    "a fault of the server with a 4xx": page("400 Bad Request", error_of("InternalFailure")),
    "a server away with a 4xx": page("400 Bad Request", error_of("ServiceUnavailable")),
    "a name that AWS does not have": page("403 Forbidden", error_of("UrlFiltered")),
    "a firewall": page("429 Too Many Requests", error_of("WAFBlocked")),
    "a redirect": page("302 Found", error_of("AccessDenied"), "Location: https://portal.example.com/"),
    "a success": page("201 Created", error_of("AccessDenied")),
    "S3's form": page("403 Forbidden", f"<Error><Code>NoSuchEntity</Code><RequestId>{_ANY_ID}</RequestId></Error>"),
    "two codes": page("403 Forbidden", error_of("AccessDenied</Code><Code>AccessDenied")),
    "an id that is no UUID": page("403 Forbidden", error_of("AccessDenied", "BLUECOATPROXY01")),
    "an id in the header only": with_headers_of_aws("403 Forbidden", error_of("AccessDenied", None)),
    "another id in the header": with_headers_of_aws("403 Forbidden", error_of("AccessDenied")),
}  # fmt: skip


def secrets_in(answer: bytes) -> list[str]:
    """Return the secrets in AWS's response."""
    return re.findall(r"<(?:SecretAccessKey|SessionToken)>([^<]+)<", answer.decode("utf-8", "replace"))


def broken_session(seen: list[str]) -> Change:
    """Break AssumeRoot's response, so that botocore cannot read it and would quote it. Add its secrets to `seen`."""

    def broken(real: bytes) -> bytes:
        seen.extend(secrets_in(real))
        return on_body(lambda body: body.replace("</Credentials>", "<!-- -->"))(real)

    return broken
