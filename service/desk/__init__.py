"""The desk: the page where people ask, decide and receive. A client of the public API, and nothing else.

`files` holds plain ES modules and one style sheet, which a browser can run as they are. `served` is the same without
comments and needless space, made by `make evidence`. `api/desk.py` serves that.
"""
