"""What our HTML pages are made of: one file each, without scripts, that asks for nothing else."""
