"""Signed notes: who signs the audit log's head."""
