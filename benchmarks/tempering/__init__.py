"""CTLD, Santa and annealed noise against plain optimizers, each at its best learning rate.

The two problems are those of N. Ye, Z. Zhu, R. Mantiuk, `Langevin dynamics with continuous
tempering for training deep neural networks <https://arxiv.org/abs/1703.04379>`_, 2017.
"""
