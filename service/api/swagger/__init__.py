"""Swagger UI, and the sign-in from it."""
