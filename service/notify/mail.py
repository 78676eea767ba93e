"""Mail, as a destination that tells people in person: one message for each, with a link and nobody's free text.

A server cannot be asked what it already has. If the service is killed before it records the answer, the message is sent
again. Its Message-ID stays the same, so that mail programs can drop the duplicate.
"""

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from hashlib import sha256

from service.domain.delivery import Addressee, Answer, Attempt, Notice
from service.domain.event_table import EVENTS, FILED, REQUEST_WAITING
from service.domain.text import plain, visible
from service.notify.chat import unlinked
from service.notify.message import Message, message, titled
from service.outbound.guarded import Unreachable, Unsafe
from service.outbound.smtp import MailServer, Rejected

# For an approver, the title of the event is not the news.
_TITLES: Mapping[str, str] = {
    FILED: "A request waits for your approval",
    REQUEST_WAITING: "A request still waits for your approval",
}
# A mail has no names of people: mail programs make links even of plain text.
_LEFT_OUT = frozenset({"By", "Waiting for", "Missing"})
_FOOTER = "Rootquorum sent this to you alone. Nobody reads replies."
_LONGEST_NAME = 60
# No further connection begins after this.
_LONGEST_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail server as a destination. `sender` is the address in From, which has been checked."""

    server: MailServer
    sender: str
    events: frozenset[str] | None = None

    def wants(self, event: str, _ticket: str | None) -> bool:
        return EVENTS[event].told is not None and (self.events is None or event in self.events)

    def check(self) -> None:
        """Check that the server accepts our credential, without sending. Raise Unreachable, Unsafe."""
        self.server.check()

    def deliver(self, notice: Notice) -> Attempt:
        """Tell each of `notice.people`. A refusal for one of them does not stop the others."""
        found = _Results()
        # Whoever makes a server hang is not always the first, so everybody has a turn.
        left = random.sample(notice.people, len(notice.people))
        until = time.monotonic() + _LONGEST_SECONDS
        while left and time.monotonic() < until:
            try:
                self._tell(notice, left, found)
            except (Unreachable, Unsafe) as error:
                found.late += [str(error)] * len(left)
                left.clear()
        found.late += ["the time was up"] * len(left)
        return found.attempt(len(notice.people))

    def _tell(self, notice: Notice, left: list[Addressee], found: "_Results") -> None:
        """Tell as many as one connection allows, and take them out of `left`. Raise Unreachable, Unsafe."""
        with self.server.session() as session:
            while left and session.is_open:
                person = left.pop()
                try:
                    session.send(self.sender, person.address, self._written(notice, person))
                except Rejected as error:
                    found.refused.append(str(error))
                except Unreachable as error:
                    found.late.append(str(error))
                else:
                    found.reached.append(person.subject)

    def _written(self, notice: Notice, to: Addressee) -> bytes:
        """Write the mail. Raise Rejected if the standard library cannot, so that no name keeps others from theirs."""
        try:
            return self.mail(notice, to).as_bytes()
        except (ValueError, LookupError, TypeError, AttributeError):
            raise Rejected("the mail cannot be written") from None

    def mail(self, notice: Notice, to: Addressee) -> EmailMessage:
        """Make the mail for one person. It is the same at every attempt, so that a repeat is known for one.

        Source of `Auto-Submitted`: RFC 3834, section 5.
        """
        said, domain = message(notice), self.sender.rpartition("@")[2]
        title = titled(notice, _TITLES[notice.event]) if notice.event in _TITLES else said.title
        account = next((fact for name, fact in said.facts if name == "Account"), "")
        mail = EmailMessage(policy=SMTP)
        mail["From"] = Address("Rootquorum", addr_spec=self.sender)
        mail["To"] = Address(visible(to.name, longest=_LONGEST_NAME), addr_spec=to.address)
        mail["Subject"] = f"[Rootquorum] {title}" + (f": {plain(account, _LONGEST_NAME)}" if account else "")
        mail["Date"] = format_datetime(datetime.fromisoformat(str(notice.document["timestamp"])))
        mail["Message-ID"] = f"<{notice.id}.{sha256(to.subject.encode()).hexdigest()[:16]}@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(_text(title, said), cte="quoted-printable")
        return mail


@dataclass
class _Results:
    """What became of the messages of one attempt: who has theirs, and why others do not."""

    reached: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)

    def attempt(self, people: int) -> Attempt:
        reached = frozenset(self.reached)
        parts = [f"accepted for {len(reached)} of {people}" if people else "nobody is left to be told"]
        parts += [_counted("refused", self.refused)] if self.refused else []
        parts += [_counted("to be tried again", self.late)] if self.late else []
        answer = Answer.AGAIN if self.late else Answer.REFUSED if self.refused else Answer.DELIVERED
        return Attempt(answer, "; ".join(parts), reached)


def _counted(what: str, reasons: Sequence[str]) -> str:
    return f"{what}: {len(reasons)} ({', '.join(sorted(set(reasons)))})"


def _text(title: str, said: Message) -> str:
    facts = [f"{name}: {unlinked(fact)}" for name, fact in said.facts if name not in _LEFT_OUT]
    link = [] if said.link is None else ["", said.link]
    return "\n".join([f"{title}.", "", *facts, *link, "", "-- ", _FOOTER, ""])
