"""Destinations: one event at a time goes out, and what became of it comes back. Nothing that comes in decides."""
