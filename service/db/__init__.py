"""SQL. Every function takes an open transaction and never commits; only the workflow begins one."""
