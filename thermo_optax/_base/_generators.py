"""The generators of noise that a sampler can be given, and what each is for."""

_DESCRIPTIONS = {
    "threefry": "exact Gaussian: 20 rounds of Threefry-2x32 and Box-Muller; the default",
    "threefry13": "exact Gaussian: 13 rounds, the smallest number reported to pass BigCrush",
    "inverse_cdf": "exact Gaussian by the formula of jax.random.normal, bit for bit; slower",
    "ternary": "0 or +-sqrt(3): the moments 1 to 5 of a Gaussian, for weak order 2; the fastest",
    "jax": "jax.random.normal with the implementation of the user's own key",
}


def noise_generators() -> dict[str, str]:
    r"""The names for the argument `generator` of a sampler, with what each one does.

    .. math::
        z_i = \text{law}(\text{Threefry}_{\text{key}}(\text{step}, i))

    Noise is a function of the key, the step and the coordinate. It is drawn in float32 whatever the
    dtype of the parameters, since Gaussians drawn in bfloat16 have a mean of -0.01. It does not
    depend on how the parameters are sharded.

    Returns:
        A dict from name to description.

    Examples:
        >>> import thermo_optax as to
        >>> print(*to.noise_generators())
        threefry threefry13 inverse_cdf ternary jax

    References:
        Salmon et al., `Parallel random numbers: as easy as 1, 2, 3`, 2011 (Threefry).
    """
    return dict(_DESCRIPTIONS)
