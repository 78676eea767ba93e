"""Who is asking: what a bearer token is made of."""
