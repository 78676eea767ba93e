"""Deciding at the desk: what approvers see, sign and are protected from. One service for all; an account for each."""

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from browser.conftest import ACCOUNTS, PHONE, Arrive, Visitor
from browser.looking import left_nothing
from playwright.sync_api import Locator, Page, Route, ViewportSize, expect
from support.approvers import Installation
from support.installation import commanded, serving
from support.products import nodejs, openssh
from support.signers import FileKey, ed25519_of

from service.cli.waiting import free_port
from service.domain.canonical import canonical
from service.domain.statement import Namespace
from service.signing.public_keys import parse_public_key
from service.signing.sshsig import verify

FOUNDERS = {name: FileKey(private=ed25519_of(name.encode())) for name in ("ann", "ben")}
PEOPLE = {"alice": "requester", "rita": "requester", **dict.fromkeys((*FOUNDERS, "cleo", "dave", "erin"), "approver")}
SIGNED = ["200000000001", "200000000002"]  # where each approval has to be signed


@dataclass(frozen=True)
class Desks(Installation):
    """A service, with a token for each of its people."""

    def endorse(self, person: str, key_id: str) -> None:
        path = f"/v1/signing-keys/{key_id}/endorsement"
        statement = self.call(person, "POST", f"{path}/statement")["statement"]
        signature = FOUNDERS[person].sign(statement.encode(), Namespace.ENROLMENT)
        self.call(person, "POST", path, statement=statement, signature=signature)

    def read(self, request: Any, person: str = "alice") -> Any:
        return self.call(person, "GET", f"/v1/requests/{request['id']}")


@pytest.fixture(scope="module")
def desks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desks]:
    folder, port = tmp_path_factory.mktemp("desks"), free_port()
    found = Desks(f"http://localhost:{port}", folder)
    names = {each: f"prod {each[-2:]}" for each in ACCOUNTS} | {each: f"signed {each[-2:]}" for each in SIGNED}
    accounts = "".join(f'[accounts.{account_id}]\nname = "{name}"\n' for account_id, name in names.items())
    people = "".join(
        f'[people.{name}]\nname = "{name.capitalize()} Abe"\nroles = ["{role}"]\n' for name, role in PEOPLE.items()
    )
    founders = "".join(f'[founders.{name}]\nkeys = ["{key.public.text}"]\n' for name, key in FOUNDERS.items())
    (folder / "rootquorum.toml").write_text(
        f'[database]\nurl = "sqlite:///{folder}/rootquorum.db"\n[aws]\nsimulated = true\n'
        f'[audit]\norigin = "rootquorum.example.com/log"\n[signing]\nrp_id = "localhost"\norigins = ["{found.url}"]\n'
        "[policy]\ndecision_requires_auth_time = false\n"
        f'[[rules]]\nname = "signed"\naccounts = {json.dumps(SIGNED)}\nsigned_approvals = "required"\n'
        f"{accounts}{people}{founders}"
    )
    with serving(folder, port, "--migrate"):
        for person in PEOPLE:
            (folder / f"{person}.token").write_text(commanded(folder, "token", "create", person).stdout)
        yield found


@pytest.fixture
def site(desks: Desks) -> str:
    return desks.url


@pytest.fixture
def request_(desks: Desks, account_id: str) -> Any:
    """What Alice has asked for Rita, in an account of this test's own."""
    return desks.file(account_id=account_id, recipient="rita", ticket="OPS-4711", lifetime="P90D")


Come = Callable[..., Visitor]


@pytest.fixture
def come(visit: Arrive, desks: Desks) -> Come:
    """Somebody opens the desk and signs in."""

    def come(name: str, path: str = "", **options: Any) -> Visitor:
        visitor = visit(name, **options)
        visitor.desk.open(path).sign_in_with(desks.token(name))
        return visitor

    return come


def decided(page: Page) -> list[str]:
    """Note each decision that the page sends."""
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.url.endswith("/decisions") else None)
    return sent


# --- the rules ---


def test_deciding_by_the_keyboard_alone(come: Come, desks: Desks, request_: Any) -> None:
    dave = come("dave").desk
    dave.tab_to(f"Create a root access key · {request_['account']['name']} {request_['account']['account_id']}")
    dave.page.keyboard.press("Enter")
    expect(dave.heading).to_be_focused()
    dave.tab_to("Approve")
    dave.page.keyboard.press("Enter")
    expect(dave.page.get_by_role("heading", name="You are about to approve")).to_be_focused()
    expect(dave.page.get_by_label("Comment")).to_be_visible()
    dave.page.get_by_label("Comment").focus()
    dave.page.keyboard.type("Agreed by phone.")
    dave.tab_to("Approve this request")
    dave.page.keyboard.press("Enter")
    expect(dave.page.get_by_text("You have approved this.")).to_be_visible()
    assert [each["comment"] for each in desks.read(request_)["decisions"]] == ["Agreed by phone."]


def test_rejection_gives_its_reason_to_the_requester(come: Come, request_: Any, screen: ViewportSize) -> None:
    erin = come("erin", f"/requests/{request_['id']}", viewport=screen)
    erin.desk.press("Reject")
    erin.desk.press("Reject this request")
    expect(erin.desk.problem).to_contain_text("comment")  # the service wants a reason
    erin.page.get_by_label("Reason").fill("Not this quarter.")
    erin.desk.press("Reject this request")
    expect(erin.page.get_by_text("You have rejected this.")).to_be_visible()
    left_nothing(erin, refusals=1)  # of the decision without a reason

    alice = come("alice", "/mine", viewport=screen)
    alice.desk.follow(f"prod {request_['account']['account_id'][-2:]}")
    expect(alice.page.locator("blockquote")).to_have_text("Not this quarter.")
    expect(alice.page.locator(".status").first).to_have_text("Rejected")
    expect(alice.page.get_by_text("Still missing")).to_have_count(0)
    left_nothing(alice)


def test_what_may_be_done_is_at_hand_before_anybody_scrolls(come: Come, request_: Any, screen: ViewportSize) -> None:
    dave = come("dave", f"/requests/{request_['id']}", viewport=screen).desk
    for action in ("Approve", "Reject"):
        expect(dave.page.get_by_role("button", name=action, exact=True)).to_be_in_viewport(ratio=1)
    # It gives way to what was begun, and comes back.
    dave.press("Reject")
    expect(dave.page.get_by_role("button", name="Approve", exact=True)).to_have_count(0)
    dave.press("Cancel")
    expect(dave.page.get_by_role("button", name="Approve", exact=True)).to_be_focused()
    # It hides nothing that the keyboard comes to.
    dave.page.evaluate("scrollTo(0, 0)")
    dave.page.locator("summary").first.focus()
    top, bottom = (dave.page.locator(each).first.bounding_box() for each in (".bar", "summary"))
    assert top is not None
    assert bottom is not None
    assert bottom["y"] + bottom["height"] <= top["y"]


def test_skipping_to_the_content_takes_nothing_away(come: Come, request_: Any) -> None:
    dave = come("dave", f"/requests/{request_['id']}").desk
    dave.press("Reject")
    dave.page.get_by_label("Reason").fill("Who asked for this?")
    dave.page.locator(".skip").focus()
    dave.page.keyboard.press("Enter")
    expect(dave.page.locator("main")).to_be_focused()
    expect(dave.page.get_by_label("Reason")).to_have_value("Who asked for this?")


def test_requester_withdraws_and_is_told_why_they_cannot_approve(come: Come, desks: Desks, request_: Any) -> None:
    alice = come("alice", f"/requests/{request_['id']}").desk
    alice.page.locator("summary", has_text="What you cannot do").click()
    reason = next(each["reason"] for each in request_["actions"] if each["action"] == "approve")
    expect(alice.page.get_by_text(f"Approve: {reason}")).to_be_visible()
    alice.press("Withdraw")
    alice.press("Withdraw this request")
    expect(alice.page.get_by_text("You have withdrawn this.")).to_be_visible()
    assert desks.read(request_)["status"] == "withdrawn"


def answer_with(change: Callable[[Any], None]) -> Callable[[Route], None]:
    """Change the service's answer on its way to the page."""

    def handle(route: Route) -> None:
        answer = route.fetch()
        document = answer.json()
        change(document)
        route.fulfill(response=answer, body=json.dumps(document))

    return handle


def _another_filing(said: Any) -> None:
    said["filing"] = said["filing"].replace("rita", "mallory")


def _another_statement(said: Any) -> None:
    said["statement"] = said["statement"].replace('"approve"', '"reject"')


def _another_root(said: Any) -> None:
    said["statement"] = canonical(json.loads(said["statement"]) | {"log": {"size": 1, "root": "0" * 64}}).decode()


def _something_unknown(said: Any) -> None:
    said["filing"] = canonical(json.loads(said["filing"]) | {"also": "this"}).decode()


def _another_recipient(request: Any) -> None:
    request["recipient"]["subject"] = "mallory"


def test_page_refuses_what_a_lying_service_shows(come: Come, request_: Any, screen: ViewportSize) -> None:
    visitor = come("dave", f"/requests/{request_['id']}", viewport=screen)
    dave = visitor.desk
    sent = decided(dave.page)
    dave.press("Approve")  # the page has seen the log from now on
    expect(dave.page.get_by_label("Comment")).to_be_visible()

    for change, why in [
        (_another_filing, "STOP. What this page showed is not what you would approve: digest, recipient."),
        (_another_statement, "another decision"),
        (_another_root, "STOP. The service does not prove that its log begins with"),
        (_something_unknown, "This page does not understand everything that was filed."),
    ]:
        # Under the page, after it has been read; and before it is shown.
        with_change = answer_with(change)
        dave.page.route("**/statement?*", with_change)
        dave.press("Approve this request")
        expect(dave.problem).to_contain_text(why)
        dave.press("Cancel")
        dave.press("Approve")
        expect(dave.problem).to_contain_text(why)
        expect(dave.page.get_by_role("button", name="Approve this request")).to_have_count(0)
        dave.page.unroute("**/statement?*", with_change)
        dave.press("Cancel")
        dave.press("Approve")
        expect(dave.page.get_by_label("Comment")).to_be_visible()
    assert sent == []
    left_nothing(visitor)


def test_page_refuses_to_sign_anything_but_what_it_has_shown(come: Come, request_: Any) -> None:
    """The request that is read is another one than the document that would be approved."""
    dave = come("dave")
    sent = decided(dave.page)
    dave.page.route(f"**/v1/requests/{request_['id']}", answer_with(_another_recipient))
    dave.desk.follow(f"prod {request_['account']['account_id'][-2:]}")
    dave.desk.press("Approve")
    expect(dave.desk.problem).to_contain_text("is not what you would approve: recipient.")
    assert sent == []


def card_of(page: Page, name: str) -> Locator:
    """Return the card of a key by its name. The words of another key may have the same letters: "telephone"."""
    return page.locator(".card", has=page.locator("h3 .written", has_text=re.compile(f"^{re.escape(name)}$")))


def register(visitor: Visitor, name: str) -> str:
    """Register a passkey, and return its OpenSSH fingerprint."""
    visitor.desk.use_authenticator()
    visitor.desk.press("Register a passkey")
    visitor.page.get_by_label("Name").fill(name)
    visitor.desk.press("Make the passkey")
    card = card_of(visitor.page, name)
    expect(card).to_contain_text("too few have endorsed it")
    return card.locator(".code").inner_text()


def test_endorsed_passkeys_sign_approvals_that_count(
    come: Come, desks: Desks, tmp_path: Path, screen: ViewportSize
) -> None:
    dave, erin = (come(name, "/keys", viewport=screen) for name in ("dave", "erin"))
    blue, green = (f"{colour} {screen['width']}" for colour in ("blue", "green"))
    prints = [register(dave, blue), register(erin, green)]
    keys = {key["fingerprint"]: key for key in desks.call("ann", "GET", "/v1/signing-keys")["items"]}
    daves, erins = (keys[each] for each in prints)
    words = card_of(dave.page, blue).locator(".words li")
    assert words.all_inner_texts() == daves["words"]

    for founder in FOUNDERS:
        desks.endorse(founder, daves["id"])
    desks.endorse("ann", erins["id"])
    # Dave, whose key counts now, endorses that of Erin.
    dave.desk.follow("Signing keys")
    card = card_of(dave.page, green)
    card.get_by_role("button", name="Endorse").click()
    dave.keep_screenshot("endorses")
    card.get_by_role("button", name="Endorse with my passkey").click()
    expect(dave.desk.problem).to_contain_text("Compare the words first.")
    card.get_by_role("checkbox").check()
    card.get_by_role("button", name="Endorse with my passkey").click()
    expect(card_of(dave.page, green).get_by_text("Counts")).to_be_visible()

    request = desks.file(account_id=SIGNED[0])
    for visitor in (dave, erin):
        visitor.desk.follow("Waiting for you").follow("signed 01")
        visitor.desk.press("Approve")
        expect(visitor.page.get_by_role("button", name="Approve without a signature")).to_have_count(0)
        visitor.desk.press("Approve with a passkey")
        expect(visitor.page.get_by_text("You have approved this.")).to_be_visible()
        left_nothing(visitor)

    found = desks.read(request)
    assert (found["status"], found["quorum"]["counted"]) == ("approved", 2)
    for decision, key in zip(found["decisions"], (daves, erins), strict=True):
        statement = decision["statement"].encode()
        assert verify(decision["signature"], statement, Namespace.DECISION).key == parse_public_key(key["key"])
        if openssh.find():
            assert openssh.Verifier(tmp_path, key["key"]).accepts(decision["signature"], statement, Namespace.DECISION)
    desks.withdraw(request)  # the account is needed once more


def test_passkey_that_does_not_count_signs_nothing(come: Come, desks: Desks) -> None:
    """Which passkey somebody chose is only known afterwards."""
    desks.file(account_id=SIGNED[1])
    cleo = come("cleo", "/keys")
    first = register(cleo, "first")
    keys = {key["fingerprint"]: key for key in desks.call("ann", "GET", "/v1/signing-keys")["items"]}
    for founder in FOUNDERS:
        desks.endorse(founder, keys[first]["id"])
    cleo.desk.forget_passkeys()
    register(cleo, "second")
    sent = decided(cleo.page)
    cleo.desk.follow("Waiting for you").follow("signed 02")
    cleo.desk.press("Approve")
    cleo.desk.press("Approve with a passkey")
    expect(cleo.desk.problem).to_contain_text("none of your keys that count")
    assert sent == []
    left_nothing(cleo)


def test_key_is_revoked_for_what_its_person_says_and_nothing_else(come: Come, desks: Desks) -> None:
    erin = come("erin", "/keys")
    register(erin, "lost")
    card = card_of(erin.page, "lost")
    card.get_by_role("button", name="Revoke").click()
    card.get_by_label("Why").select_option("compromised")
    # Without a size it would be distrusted from the beginning.
    card.get_by_label("Not to be trusted since").fill("yesterday")
    card.get_by_role("button", name="Revoke the key").click()
    expect(erin.desk.problem).to_contain_text("The size of the log is a whole number.")
    card.get_by_label("Not to be trusted since").fill("1")
    card.get_by_role("button", name="Revoke the key").click()
    expect(card_of(erin.page, "lost")).to_contain_text("not to be trusted from event 1 on")
    (key,) = [each for each in desks.call("erin", "GET", "/v1/me/signing-keys")["items"] if each["name"] == "lost"]
    assert (key["fault"], [each["reason"] for each in key["revocations"]]) == ("revoked", ["compromised"])


def test_nobody_makes_a_passkey_that_they_may_not_hold(come: Come) -> None:
    alice = come("alice", "/keys").desk
    expect(alice.page.get_by_text("You have no key.")).to_be_visible()
    expect(alice.page.get_by_role("button", name="Register a passkey")).to_have_count(0)


def test_approver_without_a_passkey_is_led_to_the_terminal(come: Come, request_: Any) -> None:
    ben = come("ben", f"/requests/{request_['id']}").desk
    ben.press("Approve")
    expect(ben.page.get_by_text("None of your keys that count is a passkey")).to_be_visible()
    expect(ben.page.get_by_role("button", name="Approve with a passkey")).to_have_count(0)


def test_what_others_do_appears_by_itself_and_nothing_typed_is_lost(come: Come, desks: Desks, request_: Any) -> None:
    dave = come("dave")
    dave.page.clock.install()
    dave.desk.follow(f"prod {request_['account']['account_id'][-2:]}")
    dave.desk.press("Reject")
    dave.page.get_by_label("Reason").fill("Who asked for this?")
    dave.page.context.set_offline(True)
    dave.page.clock.run_for(16_000)
    expect(dave.page.get_by_text("The service does not answer.")).to_be_visible()
    for person in ("ann", "ben"):
        desks.call(
            person, "POST", f"/v1/requests/{request_['id']}/decisions", decision="approve", digest=request_["digest"]
        )
    dave.page.context.set_offline(False)
    dave.page.clock.run_for(16_000)

    expect(dave.page.get_by_text("Meanwhile something has changed.")).to_contain_text("Approved, not executed")
    expect(dave.page.get_by_text("The service does not answer.")).to_have_count(0)
    expect(dave.page.get_by_label("Reason")).to_have_value("Who asked for this?")
    dave.desk.press("Reject this request")
    expect(dave.page.get_by_text("You have rejected this.")).to_be_visible()


def test_failure_in_the_background_is_said_while_it_lasts(come: Come) -> None:
    dave = come("dave")
    dave.page.clock.install()
    dave.desk.follow("Mine")
    expect(dave.desk.heading).to_have_text("Mine")
    problem = {"code": "unavailable", "title": "Not now", "detail": "The database does not answer."}
    dave.page.route("**/v1/requests?*", lambda route: route.fulfill(status=503, json=problem))
    dave.page.clock.run_for(16_000)
    expect(dave.page.locator(".banner")).to_contain_text("The database does not answer.")
    dave.page.unroute_all(behavior="wait")
    dave.page.clock.run_for(16_000)
    expect(dave.page.locator(".banner")).to_be_empty()


def test_sign_in_that_ends_in_the_background_takes_nothing_away(come: Come, desks: Desks, request_: Any) -> None:
    dave = come("dave")
    dave.page.clock.install()
    dave.desk.follow(f"prod {request_['account']['account_id'][-2:]}")
    dave.desk.press("Reject")
    dave.page.get_by_label("Reason").fill("Who asked for this?")
    dave.page.route("**/v1/requests/*", lambda route: route.fulfill(status=401, json={"code": "invalid_token"}))
    dave.page.clock.run_for(16_000)
    expect(dave.page.get_by_text("Your sign-in has ended.")).to_be_visible()
    dave.page.unroute_all()
    dave.desk.sign_in_with(desks.token("dave"))
    expect(dave.page.get_by_text("Your sign-in has ended.")).to_have_count(0)
    dave.desk.press("Reject this request")
    expect(dave.page.get_by_text("You have rejected this.")).to_be_visible()


HOSTILE = (
    '<img src=x onerror="alert(1)"><script>alert(2)</script>',
    "javascript:alert(1)",
    "${alert(1)} {{7*7}} <!-- ]]> --> \u202etxt.exe\u2066 \u200b\u00ad\ufeff",
    "Z\u0335\u0321a\u0336\u0322l\u0334\u031bg\u0337\u0321o " * 20,
    "W" * 2000,
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u0627\u0644\u0639\u0631\u0628\u064a\u0629 " * 40,
)


def hostile(text: str) -> Callable[[Any], None]:
    """Put a text into every place in which somebody else's text can stand."""

    def change(value: Any) -> None:
        for found in value if isinstance(value, list) else value.values() if isinstance(value, dict) else ():
            change(found)
        if isinstance(value, dict):
            places = ("name", "justification", "ticket", "comment", "detail", "effect", "reason", "last_used_service")
            value |= {each: text for each in places if isinstance(value.get(each), str)}

    return change


def test_hostile_text_is_literal_and_breaks_nothing(come: Come, desks: Desks, request_: Any) -> None:
    decision = {"decision": "approve", "digest": request_["digest"], "comment": "x"}
    desks.call("ann", "POST", f"/v1/requests/{request_['id']}/decisions", **decision)
    dave = come("dave", viewport=PHONE)
    dave.page.on("dialog", lambda dialog: dave.complaints.append(dialog.message))
    for text in HOSTILE:
        dave.page.unroute_all()
        dave.page.route("**/v1/**", answer_with(hostile(text)))
        for path in ("/all", f"/requests/{request_['id']}", "/keys"):
            dave.desk.go(path)
            written = dave.page.locator("main .written").first
            expect(written).to_have_text(text) if text.isprintable() else expect(written).to_be_visible()
            assert not dave.desk.is_too_wide
            assert dave.page.locator("main img, main script, main a[href^=javascript]").count() == 0
    dave.keep_screenshot("hostile")
    dave.page.unroute_all(behavior="wait")
    left_nothing(dave)


def test_invisible_characters_are_named(come: Come, request_: Any) -> None:
    dave = come("dave")
    dave.page.route("**/v1/requests/*", answer_with(hostile("a\u202eb\u200bc")))
    dave.desk.follow(f"prod {request_['account']['account_id'][-2:]}")
    expect(dave.page.locator("dd .written").first).to_contain_text("aU+202EbU+200Bc")


_AXE = """only => axe.run(only ? { runOnly: only } : {})
  .then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes[0].html]))"""


@pytest.mark.skipif(not nodejs.is_there() and "CI" not in os.environ, reason="no axe here; `make node` installs it")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(come: Come, request_: Any, scheme: str) -> None:
    dave = come("dave", color_scheme=scheme, viewport=PHONE if scheme == "dark" else {"width": 900, "height": 700})
    dave.page.evaluate(nodejs.package("axe-core/axe.min.js").read_text())

    def check(what: str) -> None:
        dave.keep_picture(what if scheme == "light" else f"{what}-phone")
        unfold = "is => { for (const each of document.querySelectorAll('details')) each.open = is; }"
        dave.page.evaluate(unfold, True)  # noqa: FBT003
        found = dave.page.evaluate(_AXE, ["color-contrast"] if scheme == "dark" else None)
        dave.page.evaluate(unfold, False)  # noqa: FBT003
        assert (what, found) == (what, [])

    check("waiting")
    dave.desk.follow("Signing keys")
    expect(dave.desk.heading).to_have_text("Signing keys")
    check("keys")
    dave.desk.follow("All")
    expect(dave.desk.heading).to_have_text("All")
    check("all")
    dave.desk.follow(f"prod {request_['account']['account_id'][-2:]}")
    expect(dave.page.get_by_role("button", name="Approve", exact=True)).to_be_visible()
    check("request")
    for action in ("Approve", "Reject"):
        dave.desk.press(action)
        expect(dave.page.locator(".panel textarea")).to_be_visible()
        check(action.lower())
        dave.desk.press("Cancel")
    dave.desk.press("Sign out")
    expect(dave.desk.heading).to_have_text("Sign in")
    check("sign-in")
