"""The parts that only the OpenAPI document shows: examples and webhooks."""
