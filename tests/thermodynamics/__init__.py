"""Tests of what a run measures."""
