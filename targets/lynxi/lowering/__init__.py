"""From `snn` to a graph: neurons as elementwise ops and states."""
