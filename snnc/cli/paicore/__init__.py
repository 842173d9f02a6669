"""Views of what only PAICORE builds have: frames, cores, axons, neuron records."""
