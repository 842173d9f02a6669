"""Events as arrays and as files."""
