"""The composition root: settings in, FastAPI out. Only this package and the CLI read settings.

`compose` imports no more than the settings and its caller need, because importing everything takes a second.
"""

from service.app.context import compose

__all__ = ["compose"]
