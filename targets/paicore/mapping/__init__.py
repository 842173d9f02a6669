"""From populations to regions of cores, and relays that save copies."""
