"""What pytest must not import: a script for an environment that has PAIBox."""

collect_ignore = ["paibox_child.py"]
"""Collected by no one: it runs as a process of its own."""
