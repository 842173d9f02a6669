"""The levels that ship with the IR; importing a module registers its level."""
