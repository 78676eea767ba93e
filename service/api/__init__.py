"""HTTP. No rules here: a route reads the input, calls one workflow function and writes the answer."""
