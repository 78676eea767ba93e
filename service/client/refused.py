"""The one exception of a client."""


class Refused(Exception):
    """The reason why nothing was done, as a sentence for the person. It may quote the server, so show it as text."""
