"""CloudEvents 1.0 in JSON: an event with attributes that every product of this kind reads.

Source: the CloudEvents specification 1.0.2, its JSON format, and its HTTP binding in structured and in binary mode.
"""

from collections.abc import Mapping
from urllib.parse import quote

from service.domain.canonical import Document, Json
from service.domain.delivery import Notice

CONTENT_TYPE = "application/cloudevents+json"
# The types of all producers meet in one place. So ours tell whose they are.
_PREFIX = "rootquorum."
# What stands for itself in a header of the binding: visible ASCII without the quotation mark and the percent sign.
_AS_THEY_ARE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')


def cloud_event(notice: Notice, source: str) -> Document:
    """Return the event as a CloudEvent. `source` is a URI that names this service.

    `id` is the delivery's. The subject is the request's id, else the account's; without both there is none.
    """
    data = notice.document["data"]
    event: dict[str, Json] = {
        "specversion": "1.0",
        "id": notice.id,
        "source": source,
        "type": f"{_PREFIX}{notice.event}",
        "time": notice.document["timestamp"],
        "datacontenttype": "application/json",
        "data": data,
    }
    subject = _subject(data)
    return event if subject is None else {**event, "subject": subject}


def headers_of(event: Document) -> dict[str, str]:
    """Return the headers of binary mode: `ce-` and the name of each attribute. The body is then only the data."""
    told = {name: value for name, value in event.items() if name not in {"data", "datacontenttype"}}
    return {
        "Content-Type": str(event["datacontenttype"]),
        **{f"ce-{name}": quote(str(value), safe=_AS_THEY_ARE) for name, value in told.items()},
    }


def _subject(data: Json) -> Json:
    if not isinstance(data, Mapping):
        return None
    request = data.get("request")
    found = request.get("id") if isinstance(request, Mapping) else None
    return found or data.get("account_id") or None
