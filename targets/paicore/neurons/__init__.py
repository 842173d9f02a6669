"""Neurons as cores have them, what stands in for others, and what they read."""
