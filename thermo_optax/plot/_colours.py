"""One colour for one method, in all pictures."""

import re

from . import _canvas as canvas

# Hues are families and shades their members. All go with Okabe and Ito's palette, and methods that
# are often compared are told apart with any kind of colour vision.
METHODS = {
    # optax's optimizers: greys and blues
    "sgd": "#777777",
    "nesterov": "#3A3A3A",
    "noisysgd": "#C9A784",
    "rmsprop": canvas.SKY,
    "adam": canvas.BLUE,
    "adamw": "#002A63",
    # overdamped Langevin dynamics: greens
    "sgld": canvas.GREEN,
    "leimkuhlermatthews": "#80C4AE",
    "psgld": "#004D1B",
    # underdamped: oranges and browns
    "langevin": canvas.ORANGE,
    "sghmc": "#804600",
    # thermostats: purples
    "adaptivelangevin": "#914BE1",
    "covariancecontrolledlangevin": "#A08DF7",
    "santa": "#4D0091",
    # laws for layers: reds
    "lol": canvas.VERMILION,
    "lala": "#6E0E00",
    "adlala": canvas.PINK,
    # a temperature that wanders: crimsons
    "continuoustempering": "#CC144E",
    "ctld": "#8E0049",
    # local entropy: olives
    "entropysgd": "#B1B251",
    "entropyadam": "#635A00",
    "parle": "#8DC003",
    # replicas: teals
    "replicaexchange": "#21A3AA",
    "replicate": "#006473",
}
ALIASES = {
    "annealsgd": "noisysgd",
    "baoab": "langevin",
    "ccadl": "covariancecontrolledlangevin",
    "easgd": "parle",
    "elasticcoupling": "parle",
    "localentropy": "entropysgd",
    "nosehoover": "adaptivelangevin",
    "sgdmomentum": "sgd",
    "sgdnesterov": "nesterov",
    "sgnht": "adaptivelangevin",
    "tempering": "continuoustempering",
}
OTHERS = (canvas.BLUE, canvas.VERMILION, canvas.GREEN, canvas.SKY, canvas.PINK, canvas.ORANGE)


def colour_of(method: str) -> str:
    """The colour of a method: the same in every picture, whatever else is drawn there.

    Hues are families: greys and blues for optax's optimizers, greens for overdamped and oranges for
    underdamped Langevin dynamics, purples for thermostats, reds for laws of layers, crimsons for
    tempering, olives for local entropy and teals for replicas. Methods that are often compared can
    be told apart with any kind of colour vision.

    Args:
        method: name of the method, as our function or as papers spell it: case, spaces, hyphens and
            underscores do not count, nor does anything after a comma, a bracket or " at ", so
            "SGD, momentum 0.9" has the colour of "sgd". A name that is unknown takes one of six
            colours by the sum of its letters' code points, the same in every run.

    Returns:
        The colour, as "#RRGGBB".

    Raises:
        TypeError: if `method` is not a string.
        ValueError: if `method` has neither a letter nor a digit.

    Examples:
        >>> import thermo_optax as to
        >>> to.plot.colour_of("adam")
        '#0072B2'
        >>> to.plot.colour_of("Entropy-SGD") == to.plot.colour_of("entropy_sgd")
        True

    References:
        Okabe and Ito, `Color universal design <https://jfly.uni-koeln.de/color/>`_, 2008.
    """
    if not isinstance(method, str):
        raise TypeError(
            f"`method` must be the name of a method, as `'adam'`; got {type(method).__name__}. "
            "For an optax transformation pass the name that your legend gives it."
        )
    whole = _plain(method)
    if not whole:
        raise ValueError(f"`method` must have a letter or a digit, as `'adam'`; got {method!r}.")
    known = _known(method)
    return known or OTHERS[sum(map(ord, whole)) % len(OTHERS)]


def colours_of(names: list[str]) -> list[str]:
    """Colours for the names of one picture: methods have their own, other names take what is left.

    Two names of one method share its colour. Other names take the palette's colours in order, so
    that they differ from each other as long as the palette lasts.
    """
    known = {name: _known(name) for name in names}
    left = [colour for colour in OTHERS if colour not in known.values()] or list(OTHERS)
    others = [name for name in names if not known[name]]
    return [known[name] or left[others.index(name) % len(left)] for name in names]


def _known(method: str) -> str | None:
    """The colour of a method with one of its own."""
    head = re.split(r",|\(|\[|:| at | with ", method)[0]
    for name in (_plain(method), _plain(head)):
        name = ALIASES.get(name, name)
        if name in METHODS:
            return METHODS[name]
    return None


def _plain(method: str) -> str:
    """The name's letters and digits, in lower case."""
    return re.sub(r"[\W_]", "", method).lower()
