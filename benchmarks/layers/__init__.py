"""Langevin dynamics layer by layer, LOL and AdLaLa, against optimizers that know no temperature.

The planar problems are those of B. Leimkuhler, C. Matthews, T. Vlaar, `Partitioned integrators for
thermodynamic parameterization of neural networks <https://arxiv.org/abs/1908.11843>`_, 2019.
"""
