"""What is told about the rows: the cleaning table, what looks wrong, drift between given files."""
