"""Signed notes: who signs the audit log's head, and whether a signature is good."""
