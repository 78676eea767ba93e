"""`python -m service` is `rootquorum`."""

from service.cli import app

app()
