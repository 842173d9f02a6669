"""The version of the text form: written into the first line; older ones are read, newer refused."""

VERSION = 1
