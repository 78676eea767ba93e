"""Rootquorum: two people approve before the service acts, once, on an AWS account's root credentials.

Read in this order:

    domain/request.py         the life of a request: its statuses and transitions
    domain/operation.py       the operations, one row each
    domain/permissions.py     who may do what, and when
    domain/policy.py          the rules in force
    domain/outcome.py         how a call to AWS ended
    domain/event_table.py     the events, one row each; domain/errors.py has the refusals
    workflow/file.py, decide.py, execute.py, reconcile.py
                              what happens, and where each transaction begins and ends
    workflow/due.py, leases.py
                              what the worker has to do, and which process does it
    aws/root.py               all calls to IAM as an account's root user
    api/routes/requests.py, decisions.py, execution.py
                              the same over HTTP; api/schemas has the bodies
    app/                      how it is put together; worker.py runs what is due

docs/code.md describes the whole tree and the rules for imports.
"""
