"""CloudEvents: the reference package reads what arrives, and the signature is that of every webhook."""

import json

import pytest
import standardwebhooks
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from support.destinations import NOTICE, SECRET, STAGED_BY_0006, Siem, listening, saying

from service.domain.delivery import Answer, Attempt, Notice
from service.notify.webhooks import Webhook, signer
from service.outbound.guarded import new_client

SOURCE = "https://rootquorum.example"
REQUEST = "0a6f6f0e-93f1-4bd3-9a5e-a7d1a8b7c5d2"


def delivered(siem: Siem, notice: Notice, *, is_binary: bool = False, source: str = SOURCE) -> BaseCloudEvent:
    """Return what the reference package reads of the delivery."""
    client = new_client(frozenset({"127.0.0.1"}))
    webhook = Webhook("siem", siem.url, (signer(SECRET),), client, source=source, is_binary=is_binary)
    assert webhook.deliver(notice) == Attempt(Answer.DELIVERED, "answered 204")
    headers, body = siem.received[-1]
    return from_http_event(HTTPMessage(headers, body))


def test_the_reference_package_reads_the_event_with_its_attributes() -> None:
    with listening() as siem:
        event = delivered(siem, NOTICE)
        assert siem.verified() == ["rootquorum.execution.succeeded"]
    assert event.get_specversion() == "1.0"
    assert (event.get_source(), event.get_id()) == (SOURCE, NOTICE.id)
    assert (event.get_type(), event.get_subject()) == ("rootquorum.execution.succeeded", REQUEST)
    time = event.get_time()
    assert time is not None
    assert time.isoformat() == "2026-11-24T12:00:00+00:00"
    assert event.get_data() == NOTICE.document["data"]


def test_a_retry_has_the_same_source_and_id_by_which_a_receiver_drops_it() -> None:
    with listening() as siem:
        first, second = delivered(siem, NOTICE), delivered(siem, NOTICE)
    assert (first.get_source(), first.get_id()) == (second.get_source(), second.get_id())


@pytest.mark.parametrize(
    ("notice", "subject"),
    [
        (saying(request=None), "111122223333"),
        (saying(request=None, account_id=None), None),
        (STAGED_BY_0006, REQUEST),
    ],
)
def test_the_subject_is_the_request_else_the_account_else_absent(notice: Notice, subject: str | None) -> None:
    with listening() as siem:
        assert delivered(siem, notice).get_subject() == subject


def test_hostile_names_stay_inside_the_data() -> None:
    hostile = '"},"type":"x"\r\n\u202e\x00'
    with listening() as siem:
        event = delivered(siem, saying(actor={"kind": "person", "name": hostile}))
    assert event.get_type() == "rootquorum.execution.succeeded"
    data = event.get_data()
    assert isinstance(data, dict)
    assert data["actor"]["name"] == hostile


def test_binary_mode_says_the_same_event_with_its_attributes_in_headers() -> None:
    with listening() as siem:
        whole, apart = delivered(siem, NOTICE), delivered(siem, NOTICE, is_binary=True)
        headers, body = siem.received[-1]
        standardwebhooks.Webhook(SECRET).verify(body, headers)
    assert apart.get_attributes() == whole.get_attributes()
    assert apart.get_data() == whole.get_data() == json.loads(body)
    assert headers["content-type"] == "application/json"
    assert (headers["ce-id"], headers["ce-type"]) == (headers["webhook-id"], "rootquorum.execution.succeeded")
    assert not {"ce-data", "ce-datacontenttype"} & headers.keys()


def test_no_attribute_ends_its_header_and_each_is_read_as_it_was() -> None:
    hostile = 'https://röt.example/%41 "x"\r\nce-type: other'
    with listening() as siem:
        event = delivered(siem, saying(request=None, account_id=None), is_binary=True, source=hostile)
        headers, _ = siem.received[-1]
    assert headers["ce-source"] == "https://r%C3%B6t.example/%2541%20%22x%22%0D%0Ace-type:%20other"
    assert (event.get_source(), event.get_type()) == (hostile, "rootquorum.execution.succeeded")
    assert "ce-subject" not in headers
