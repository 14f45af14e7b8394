"""The command line: arguments to life cycle, results to text or JSON."""
