"""The use cases, one module each. Only this package begins transactions.

Every function commits before it returns, so a response never promises what a failed commit undoes.
"""
