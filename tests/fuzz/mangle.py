"""An answer as it may arrive: changed at the byte, at the element, at the header. One seed is one change."""

import re
from collections.abc import Callable, Sequence
from random import Random

_Mutation = Callable[[Random, bytes], bytes]

_STATUSES = (b"200 OK", b"201 Created", b"204 No Content", b"302 Found", b"400 Bad Request", b"403 Forbidden",
             b"404 Not Found", b"407 Proxy Authentication Required", b"408 Request Timeout", b"409 Conflict",
             b"418 I'm a teapot", b"429 Too Many Requests", b"500 Internal Server Error", b"503 Service Unavailable",
             b"999 ", b"200", b"")  # fmt: skip
_HEADERS = (b"Content-Encoding: gzip", b"Transfer-Encoding: chunked", b"Content-Type: text/html", b"no header",
            b"Content-Length: 7", b"Content-Length: -1", b"x-amzn-RequestId: \xff\xfe", b": nothing",
            b"x-amzn-RequestId: 7a62c49f-347e-4fc4-9331-6e8e00000000", b" folded", b"Location: /")  # fmt: skip
_CONTENTS = (b"", b" ", b"N/A", b"null", b"0", b"-1", b"true", b"<b>bold</b>", b"&amp;", b"&unknown;", b"\x00",
             b"9" * 400, b"\xff\xfe", "\u202eevil".encode(), b"]]>", b"2026-13-45T99:99:99Z", b"Active")  # fmt: skip
_FILTERED = (b"AccessDenied", b"NoSuchEntity", b"Throttling", b"Blocked", b"UrlFiltered")
_ELEMENT = re.compile(rb"<(\w+)>([^<>]*)</\1>")
_TAG = re.compile(rb"</?\w+/?>")


def mangle(random: Random, answer: bytes) -> bytes:
    """One to three changes. Mostly the length is that of the new body, so that more than the transport is tried."""
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        answer = random.choice(_MUTATIONS)(random, answer)
    return answer


def _on_body(change: _Mutation) -> _Mutation:
    def changed(random: Random, answer: bytes) -> bytes:
        head, gap, body = answer.partition(b"\r\n\r\n")
        content = change(random, body)
        if random.random() < 0.9:
            head = re.sub(rb"(?i)(content-length: )\d+", rb"\g<1>%d" % len(content), head)
        return head + gap + content

    return changed


def _on_head(change: Callable[[Random, list[bytes]], Sequence[bytes]]) -> _Mutation:
    def changed(random: Random, answer: bytes) -> bytes:
        head, gap, body = answer.partition(b"\r\n\r\n")
        return b"\r\n".join(change(random, head.split(b"\r\n"))) + gap + body

    return changed


def _span(random: Random, content: bytes) -> tuple[int, int]:
    start = random.randrange(len(content) + 1)
    return start, min(len(content), start + random.randrange(1, 60))


def _flip(random: Random, body: bytes) -> bytes:
    content = bytearray(body)
    for _ in range(random.randrange(1, 6)):
        if content:
            content[random.randrange(len(content))] = random.randrange(256)
    return bytes(content)


def _cut_out(random: Random, body: bytes) -> bytes:
    start, end = _span(random, body)
    return body[:start] + body[end:]


def _twice(random: Random, body: bytes) -> bytes:
    start, end = _span(random, body)
    return body[:end] + body[start:]


def _cut_off(random: Random, body: bytes) -> bytes:
    return body[: random.randrange(len(body) + 1)]


def _element(random: Random, body: bytes) -> bytes:
    """One element without, with another, or with another's content; twice, renamed, or gone."""
    found = list(_ELEMENT.finditer(body))
    if not found:
        return body
    one, other = random.choice(found), random.choice(found)
    whole, name, content = one.group(0), one.group(1), one.group(2)
    new = random.choice(
        (b"", whole * 2, b"<%b/>" % name, b"<%b>%b</%b>" % (name, random.choice(_CONTENTS), name),
         b"<%b>%b</%b>" % (name, other.group(2), name), b"<Other>%b</Other>" % content, b"<!-- %b -->" % whole,
         b"<%b>%b</%b>" % (other.group(1), content, other.group(1)))
    )  # fmt: skip
    return body[: one.start()] + new + body[one.end() :]


def _tag(random: Random, body: bytes) -> bytes:
    """One tag gone, twice, or another's: the whole is no XML any more, or another structure."""
    found = list(_TAG.finditer(body))
    if not found:
        return body
    one, other = random.choice(found), random.choice(found)
    new = random.choice((b"", one.group(0) * 2, other.group(0), b"<!-- -->"))
    return body[: one.start()] + new + body[one.end() :]


def _json_value(random: Random, body: bytes) -> bytes:
    found = list(re.finditer(rb'"(?:[^"\\]|\\.)*"|\d+(?:\.\d+)?', body))
    if not found or not body.startswith(b"{"):
        return body
    one = random.choice(found)
    new = random.choice((b"null", b"7", b'""', b"[]", b"{}", b"true", b'"\\ud800"', b'"<b>"', b"1e999", b"NaN"))
    return body[: one.start()] + new + body[one.end() :]


def _status(random: Random, lines: list[bytes]) -> Sequence[bytes]:
    return [b"HTTP/1.1 " + random.choice(_STATUSES), *lines[1:]]


def _no_header(random: Random, lines: list[bytes]) -> Sequence[bytes]:
    gone = random.randrange(len(lines))
    return lines[:gone] + lines[gone + 1 :]


def _new_header(random: Random, lines: list[bytes]) -> Sequence[bytes]:
    place = random.randrange(1, len(lines) + 1)
    return [*lines[:place], random.choice(_HEADERS), *lines[place:]]


def _no_gap(random: Random, answer: bytes) -> bytes:
    return answer.replace(b"\r\n\r\n", random.choice((b"\r\n", b"\n\n", b"", b"\r\nx\r\n")), 1)


def _page(random: Random, answer: bytes) -> bytes:
    """Somebody else's page under AWS's headers."""
    pages = (b"<html><body><p>Sign in</p></body></html>", b"{}", b"null", b"[]", b"", b"<a/>", b"<ErrorResponse/>",
             b"<ErrorResponse><Error><Code>403</Code></Error></ErrorResponse>")  # fmt: skip
    return _on_body(lambda random, _: random.choice(pages))(random, answer)


def _refusal(random: Random, answer: bytes) -> bytes:
    """An error that a filter puts in the place of AWS's answer, under AWS's headers or without."""
    code, status = random.choice(_FILTERED), random.choice((b"403 Forbidden", b"400 Bad Request", b"404 Not Found"))
    its_id = random.choice((b"", b"<RequestId>BLUECOATPROXY01</RequestId>"))
    body = b"<ErrorResponse><Error><Code>%b</Code></Error>%b</ErrorResponse>" % (code, its_id)
    head = answer.partition(b"\r\n\r\n")[0].split(b"\r\n")
    kept = head[1:] if random.random() < 0.5 else []
    kept = [line for line in kept if not line.lower().startswith(b"content-length")]
    return b"\r\n".join([b"HTTP/1.1 " + status, *kept, b"Content-Length: %d" % len(body), b"", body])


_MUTATIONS: tuple[_Mutation, ...] = (
    *map(_on_body, (_flip, _cut_out, _twice, _cut_off, _element, _element, _element, _tag, _tag, _json_value)),
    *map(_on_head, (_status, _status, _no_header, _new_header)),
    _no_gap,
    _page,
    _refusal,
)
