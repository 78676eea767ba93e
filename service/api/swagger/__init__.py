"""Swagger UI, and signing in from it."""
