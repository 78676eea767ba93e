"""Commands for signing keys: list, add, endorse, revoke."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli.commands import Commands
from service.cli.common import console, fail, print_json, print_rows
from service.cli.remotely import Json, Key, Server, State, TokenFile, asking, connected, heads, misused, refusing
from service.client import ssh
from service.client.refused import Refused
from service.client.remote import Remote, items, objects, text
from service.client.statements import check, keep, me
from service.domain.roster import Reason
from service.domain.statement import Namespace, parse_enrolment, parse_registration
from service.signing.public_keys import PublicKey

app = Commands()

_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")

Fingerprint = Annotated[str, typer.Argument(help="The fingerprint, as `signing-key list` prints it.")]


@app.command("list")
def list_(*, server: Server, token_file: TokenFile = None, as_json: Json = False) -> None:
    """List everybody's signing keys: whose they are, whether they count, and the words to read aloud.

    With --json, one on each line.
    """
    with connected(server, token_file, as_json=as_json) as remote:
        found = objects(remote.get("/v1/signing-keys"), "items")
        if as_json:
            for each in found:
                print_json(each, on_one_line=True)
            return
        for number, each in enumerate(found):
            if number > 0:
                console.print()
            print_rows(_rows(each))


def _rows(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the rows of a key: those that people compare are whole, also on a narrow terminal."""
    # The server's word is not taken for what people compare.
    public = ssh.parsed(text(found, "key"))
    endorsers = ", ".join(text(endorser, "subject") for endorser in objects(found, "endorsers"))
    name = str(found.get("name") or "")
    return [
        ("person", text(found, "person", "subject")),
        *([("name", name)] if name else []),
        ("counts", "yes" if found.get("counts") is True else str(found.get("fault") or "no")),
        ("endorsed by", "founder" if found.get("is_founder") is True else endorsers or "nobody"),
        ("fingerprint", public.fingerprint),
        ("words", " ".join(public.words)),
    ]


@app.command()
def add(
    key: Annotated[Path, typer.Argument(help="The key, as for --key of `approve`.")],
    *,
    name: Annotated[str, typer.Option(help="Your name for it, such as `YubiKey, blue`.")],
    server: Server,
    token_file: TokenFile = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Register a key as yours. It counts once enough others have endorsed it."""
    kept = heads(state)
    with refusing():
        public = ssh.public_key(key)
    with connected(server, token_file, as_json=as_json) as remote:
        person = me(remote)
        answer = remote.ask("/v1/me/signing-keys/statement", {"key": public.text})
        checked = check(remote, kept, text(answer, "statement"), parse_registration, person=person, key=public.text)
        with asking() as terminal:
            terminal.show(
                "You are about to register:",
                [*_place(remote, checked.said.service, checked.log), *_about(person, public)],
            )
            if not terminal.is_answered_with_yes("Is this your key?"):
                fail("Nothing was signed.")
        signature = ssh.sign(key, public, checked.text, Namespace.REGISTRATION)
        keep(remote, kept, checked)
        body = {"statement": checked.text, "signature": signature, "name": name}
        done = remote.post("/v1/me/signing-keys", body, check=_result)
    _say("Registered.", done, as_json=as_json)


@app.command()
def endorse(
    fingerprint: Fingerprint,
    *,
    key: Key,
    server: Server,
    token_file: TokenFile = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Vouch with your own key that another key is that of its person."""
    key_id, kept = _id(fingerprint), heads(state)
    with refusing():
        own = ssh.public_key(key)
    with connected(server, token_file, as_json=as_json) as remote:
        endorser = me(remote)
        answer = remote.ask(f"/v1/signing-keys/{key_id}/endorsement/statement")
        person, public = text(answer, "key", "person", "subject"), ssh.parsed(text(answer, "key", "key"))
        if public.fingerprint != fingerprint:
            raise Refused("The server shows another key than that of this fingerprint. Nothing was signed.")
        checked = check(
            remote,
            kept,
            text(answer, "statement"),
            parse_enrolment,
            endorser=endorser,
            person=person,
            key=public.text,
        )
        with asking() as terminal:
            rows = [
                *_place(remote, checked.said.service, checked.log),
                ("you", endorser),
                ("your key", own.fingerprint),
            ]
            terminal.show("You are about to endorse:", [*rows, *_about(person, public)])
            asked = "Have you compared the fingerprint or the words with this person, by another way than this service?"
            if not terminal.is_answered_with_yes(asked):
                fail("Nothing was signed.")
        signature = ssh.sign(key, own, checked.text, Namespace.ENROLMENT)
        keep(remote, kept, checked)
        body = {"statement": checked.text, "signature": signature}
        done = remote.post(f"/v1/signing-keys/{key_id}/endorsement", body, check=_result)
    _say("Endorsed.", done, as_json=as_json)


@app.command()
def revoke(
    fingerprint: Fingerprint,
    *,
    reason: Annotated[Reason, typer.Option(help="What a retired key endorsed stays.")],
    since: Annotated[
        int | None, typer.Option(min=0, help="The size of the log before the key was stolen; else nothing of it stays.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. To stop a key is always allowed.")] = False,
    server: Server,
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Revoke a key of yours or, as an operator, anybody's. It is for good."""
    key_id = _id(fingerprint)
    if since is not None and reason is not Reason.COMPROMISED:
        misused("--since is for a compromised key.")
    with connected(server, token_file, as_json=as_json) as remote:
        is_own = any(each.get("id") == key_id for each in objects(remote.get("/v1/me/signing-keys"), "items"))
        if not yes:
            with asking() as terminal:
                whose = "a key of yours" if is_own else "a key of somebody else"
                terminal.show(
                    "You are about to revoke:", [("server", remote.url), ("key", fingerprint), ("it is", whose)]
                )
                if not terminal.is_answered_with_yes("It will never count again. Shall it be revoked?"):
                    fail("Nothing was revoked.")
        body = {"reason": reason.value} | ({} if since is None else {"since": since})
        where = "/v1/me/signing-keys" if is_own else "/v1/signing-keys"
        done = remote.post(f"{where}/{key_id}/revocation", body)
        _check_revoked(done, key_id, reason, since)
    if as_json:
        print_json(done)
    else:
        console.print("Revoked.")


def _check_revoked(key: Mapping[str, Any], key_id: str, reason: Reason, since: int | None) -> None:
    """Fail unless the server says that it recorded this revocation, or a stricter one."""
    if key.get("id") == key_id and key.get("counts") is False:
        for found in objects(key, "revocations"):
            known_since = found.get("since") if found.get("reason") == Reason.COMPROMISED.value else None
            if reason is Reason.RETIRED or (isinstance(known_since, int) and known_since <= (since or 0)):
                return
    fail("The server did not record this revocation. Look at `rootquorum signing-key list`, and tell the operators.")


def _id(fingerprint: str) -> str:
    """Return the key's id in paths: the fingerprint in the Base64 of URLs."""
    if not _FINGERPRINT.fullmatch(fingerprint):
        misused("A fingerprint is SHA256: and 43 characters, as `ssh-keygen -l` prints it.")
    return fingerprint.removeprefix("SHA256:").replace("+", "-").replace("/", "_")


def _place(remote: Remote, service: str, log: str) -> list[tuple[str, str]]:
    return [("server", remote.url), ("service", service), ("its log", log)]


def _about(person: str, public: PublicKey) -> list[tuple[str, str]]:
    return [
        ("person", person),
        ("kind", public.kind),
        ("fingerprint", public.fingerprint),
        ("words", " ".join(public.words)),
    ]


def _say(what: str, answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        console.print(f"{what} {_result(answer)}", soft_wrap=True)


def _result(answer: Mapping[str, Any]) -> str:
    """Say whether the key counts. Raise Refused if the answer does not say it."""
    if answer.get("counts") is True:
        return "The key counts."
    count = len(items(answer, "endorsers"))
    return f"The key does not count yet: {count} of {answer.get('endorsements_needed')} have endorsed it."
