"""The files of a build: configuration, layout, settings, loader script."""
