"""Signed notes and time-stamps for the audit log's head."""
