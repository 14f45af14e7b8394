"""From weights to graphs that are small and quick, each measured."""
