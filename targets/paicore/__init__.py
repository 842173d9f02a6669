"""PAICORE 2.0: levels, lowering, placement, configuration frames and their emulator."""
