"""Engines that run modules: the reference, the numpy engine, value files and comparisons."""
