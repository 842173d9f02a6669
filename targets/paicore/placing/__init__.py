"""From regions to places: chips, blocks, destinations, records, weights."""
