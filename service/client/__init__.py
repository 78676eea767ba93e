"""The parts that a program of an approver shares with others of its kind: HTTP, statements, kept heads, and OpenSSH.

It trusts nothing that the server says. It imports of the service only pure parts: `domain`, `signing`, and `verifier`
for proofs. So another client can use it, on a machine that has no settings, no database and no AWS.
"""
