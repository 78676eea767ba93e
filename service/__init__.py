"""Rootquorum: two people approve before the service acts, once, on an AWS account's root credentials.

Read in this order: domain/request.py (the life of a request), domain/policy.py (who may do what),
workflow/file.py, decide.py, execute.py, reconcile.py (what happens, and where each transaction ends),
aws/root.py (the only calls that AWS sees), api/requests.py (the same over HTTP), app.py (how it is put together).
"""
