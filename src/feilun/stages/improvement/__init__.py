"""From feedback to a challenger, and from a paired test to a decision."""
