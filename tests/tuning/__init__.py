"""Samplers that choose their own settings."""
