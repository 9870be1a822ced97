"""Replicas: their ladders, their swaps, and what is recorded of them."""
