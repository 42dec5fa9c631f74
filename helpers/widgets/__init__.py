"""The benches, each a pair of files: what Python says, and what the page draws."""
