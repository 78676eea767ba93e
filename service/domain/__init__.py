"""The rules: values in, new values out. Standard library only; no I/O, no clock, no randomness."""
