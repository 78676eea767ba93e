"""Authentication: what a bearer token proves about its holder."""
