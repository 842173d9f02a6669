"""Networks of one time step for the Lynxi target, written anew after the vendor's tutorials."""
