"""What only the OpenAPI document shows: examples and webhooks."""
