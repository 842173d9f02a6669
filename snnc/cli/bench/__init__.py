"""Measurements of the compiler, beside a peer in an environment of its own."""
