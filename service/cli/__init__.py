"""The command line: serve, migrate, token, doctor, openapi, demo."""

from service.cli.main import app

__all__ = ["app"]
