"""paicore."""
