"""TLS on the port of the API, made of PEM files."""

import ssl
from collections.abc import Iterator

from service.settings.service_sections import ServerSettings


def server_tls(certificate: str, key: str, client_authorities: str | None) -> ssl.SSLContext:
    """Return the server's side of TLS 1.2 or newer: paths of PEM files. Raise OSError, ssl.SSLError.

    With `client_authorities`, a caller needs TLS 1.3, and at each connection a certificate that one of them has issued.
    """
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # A session that is resumed skips the check of the caller's certificate. Without tickets, TLS 1.3 resumes none. In
    # TLS 1.2, OpenSSL keeps sessions itself, which Python cannot turn off.
    tls.minimum_version = ssl.TLSVersion.TLSv1_2 if client_authorities is None else ssl.TLSVersion.TLSv1_3
    tls.options |= ssl.OP_NO_RENEGOTIATION
    tls.options |= ssl.OP_NO_TICKET
    tls.num_tickets = 0
    tls.set_alpn_protocols(["http/1.1"])
    # An encrypted key would ask for its password at the terminal.
    tls.load_cert_chain(certificate, key, password="")
    if client_authorities is not None:
        tls.verify_mode = ssl.CERT_REQUIRED
        tls.load_verify_locations(client_authorities)
    return tls


def faults_of_tls(server: ServerSettings) -> Iterator[str]:
    """Yield the faults of the files for TLS."""
    if (server.certificate_file is None) != (server.key_file is None):
        yield "server.certificate_file and key_file: they belong together."
    elif server.client_ca_file is not None and server.certificate_file is None:
        yield "server.client_ca_file: certificate_file and key_file are missing."
    if (files := server.tls_files()) is None:
        return
    try:
        server_tls(files[0], files[1], None)
    except OSError:
        yield "server.certificate_file or key_file cannot be read, or they are no PEM that belongs together."
        return
    try:
        server_tls(*files)
    except OSError:
        yield "server.client_ca_file cannot be read, or has no certificate in PEM."
