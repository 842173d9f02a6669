"""One module per command, or per family of commands; each is thin over `snnc.driver`."""
