"""What ops of a graph compute, and what goes in and out."""
