"""Signed notes and time-stamps for the log's head, and the signatures that people make."""
