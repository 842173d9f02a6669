"""Runs a configuration, in time steps or event by event."""
