"""What happens, in order. The only place where a transaction begins; one module per intent.

Every function here commits before it returns, so that an answer never promises what a failing commit takes back.
"""
