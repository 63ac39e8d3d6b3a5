"""SQL of routing and nothing else."""
