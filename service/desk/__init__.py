"""The desk: the page where people ask, decide and receive. A client of the public API, and nothing else.

`files` holds plain ES modules and one style sheet, which a browser runs as they are. `api/desk.py` serves them.
"""
