"""Rules of the judge that speak of more than one core."""
