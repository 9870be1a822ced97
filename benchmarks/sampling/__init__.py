"""What the sampling benchmarks share: chains, estimates with their errors, and the report."""
