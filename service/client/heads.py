"""The heads of audit logs that this person has signed over, in a file of their own.

Each service that was met has its last head there, and the keys of its log; each server has the name of its service. So
a server that shows this person another log than before is noticed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.client.files import locked, replace
from service.client.refused import Refused
from service.domain.statement import LogHead, NotAStatement

_FORMAT = "rootquorum-heads/1"


@dataclass(frozen=True, slots=True)
class KeptHeads:
    """The file. It is only for its owner."""

    file: Path

    def service_at(self, url: str) -> str | None:
        """Return the name of the service that this server was. Raise Refused if the file is damaged."""
        name = self._read()["servers"].get(url)
        return None if name is None else str(name)

    def of(self, service: str) -> LogHead | None:
        """Return the head of a service's log. Raise Refused if the file is damaged."""
        return self._head(self._read(), service)

    def log_keys(self, service: str) -> tuple[str, ...]:
        """Return the keys that a service's log was signed with. Raise Refused if the file is damaged."""
        found = self._read()["keys"].get(service, [])
        if not isinstance(found, list) or not all(isinstance(key, str) for key in found):
            raise self._damaged()
        return tuple(found)

    def keep(
        self,
        url: str,
        service: str,
        head: LogHead,
        *,
        compared_with: LogHead | None,
        log_keys: Sequence[str] = (),
    ) -> None:
        """Replace the head that the new one was compared with, and the keys of the log.

        Raise Refused if that head is not kept any more; OSError.
        """
        with locked(self.file):
            document = self._read()
            if self._head(document, service) != compared_with:
                raise Refused("Another command kept a newer head meanwhile. Run this again.")
            document["servers"][url] = service
            document["heads"][service] = head.document()
            document["keys"][service] = list(log_keys)
            replace(self.file, json.dumps(document, indent=1, sort_keys=True).encode())

    def _head(self, document: Mapping[str, Any], service: str) -> LogHead | None:
        kept = document["heads"].get(service)
        try:
            return None if kept is None else LogHead.of(kept)
        except NotAStatement:
            raise self._damaged() from None

    def _read(self) -> dict[str, Any]:
        try:
            document = json.loads(self.file.read_bytes())
        except FileNotFoundError:
            return {"format": _FORMAT, "servers": {}, "heads": {}, "keys": {}}
        except (ValueError, RecursionError):
            raise self._damaged() from None
        if not isinstance(document, dict) or document.get("format") != _FORMAT:
            raise self._damaged()
        document.setdefault("keys", {})  # which earlier versions did not keep
        if not all(isinstance(document.get(name), dict) for name in ("servers", "heads", "keys")):
            raise self._damaged()
        return document

    def _damaged(self) -> Refused:
        return Refused(f"{self.file} is damaged. Without it nobody notices a log that was rewritten. Restore it.")
