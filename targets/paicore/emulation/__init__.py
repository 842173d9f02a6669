"""Runs the files of a build, as the chip does or as the neurons that they mean."""
