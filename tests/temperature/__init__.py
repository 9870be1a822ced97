"""Tempering: the bath's temperature, and what makes it move."""
