"""Layers to cores: room, matchings, relays, splits."""
