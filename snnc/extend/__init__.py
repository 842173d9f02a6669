"""What a plugin implements: passes, targets, front ends, engines; options and the registry."""
