"""Graphs over several devices: slices, calls, time."""
