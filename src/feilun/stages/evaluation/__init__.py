"""From weights to scores a person can trust."""
