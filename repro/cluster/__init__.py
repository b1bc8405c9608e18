"""Runs on a SLURM cluster: what is asked for, what each job does, what became of it."""
