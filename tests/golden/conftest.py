"""What pytest must not import: scripts for environments that have PAIBox, or Relay."""

collect_ignore_glob = ["lynxi_relay.py", "paibox_*.py"]
"""Collected by no one: they run as a process of their own."""
