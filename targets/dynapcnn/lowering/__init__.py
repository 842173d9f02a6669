"""Networks in the form of cores, with integers that cores hold."""
