"""The learning rates that a method may choose from."""


def half_decades(centre: float, count: int) -> list[float]:
    """As many learning rates, half a decade apart, about `centre`."""
    return [float(f"{centre * 10 ** ((i - count // 2) / 2):.2g}") for i in range(count)]
