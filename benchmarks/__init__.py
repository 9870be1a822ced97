"""Benchmarks: the samplers of `thermo_optax` on real training problems, beside their rivals.

`python -m benchmarks --help` lists them; each one prints a table and draws its pictures.
"""
