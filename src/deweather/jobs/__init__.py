"""Files in, files out: plans of what is to be done, doing it, and what became of each."""
