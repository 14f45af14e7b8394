"""The kinds of problem, one file each. Copy one to add your own."""
