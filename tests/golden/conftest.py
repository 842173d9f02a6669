"""What pytest must not import: scripts for environments that have PAIBox, or Relay."""

collect_ignore = ["lynxi_relay.py", "paibox_child.py", "paibox_random.py", "paibox_wild.py"]
"""Collected by no one: they run as a process of their own."""
