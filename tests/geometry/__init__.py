"""Local entropy: the smoothed landscape, its two modes, and what they cost."""
