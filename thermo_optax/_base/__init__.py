"""Ground floor: what every other module may use. It imports nothing of the package."""
