"""The command line. `main.py` lists the commands; each group has its own module."""

from service.cli.main import app

__all__ = ["app"]
