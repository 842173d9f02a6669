"""Layers cut into tiles, so that each core receives only the part of a map that its neurons see."""
