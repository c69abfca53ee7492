"""How batches reach the far side: one file each."""
