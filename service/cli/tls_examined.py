"""Examines the files of the API's own TLS for `rootquorum doctor`."""

import stat
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.x509 import load_pem_x509_certificates

from service.cli.premises import CLOSE_TO_READERS, CLOSE_TO_WRITERS, spelled
from service.settings import Settings

# What was checked, the fault or None, the advice, and whether it is only a warning.
Examined = tuple[str, str | None, str, bool]

# A certificate of ninety days is usually renewed with thirty days left.
_SOON = timedelta(days=14)
_RENEW = "Renew it, then send SIGHUP to every process."


def examined(settings: Settings, now: datetime) -> Iterator[Examined]:
    """Check how long the certificates last, and who may read the key. Without TLS there is nothing to say."""
    files = settings.server.tls_files()
    if files is None:
        return
    certificate, key, authorities = files
    yield _certificates("server.certificate_file", Path(certificate), now)
    if authorities is not None:
        yield _certificates("server.client_ca_file", Path(authorities), now)
    mode = stat.S_IMODE(Path(key).stat().st_mode)
    subject = f"server.key_file: mode {mode:04o}"
    if mode & stat.S_IROTH:
        yield subject, "Everybody on this host may read it.", CLOSE_TO_READERS, False
    elif mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield subject, "Not only its owner may write to it.", CLOSE_TO_WRITERS, False
    else:
        yield subject, None, "", False


def _certificates(name: str, file: Path, now: datetime) -> Examined:
    """Judge the one of a file that expires first."""
    ends = min(each.not_valid_after_utc for each in load_pem_x509_certificates(file.read_bytes()))
    if ends <= now:
        return name, f"A certificate in it has expired {spelled(now - ends)} ago.", _RENEW, False
    return f"{name}: it is valid for {spelled(ends - now)}", None, "", ends - now < _SOON
