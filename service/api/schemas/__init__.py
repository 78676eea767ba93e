"""The pydantic models of request and response bodies."""
