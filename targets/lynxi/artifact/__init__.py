"""The folder of a build: the vendor's text, layouts, parameters, scripts."""
