"""The command line. `main.py` lists the commands, and each group has a module of its own."""

from service.cli.main import app

__all__ = ["app"]
