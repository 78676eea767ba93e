"""HTTP. It has no rules: a route reads the input, calls one workflow function and writes the response."""
