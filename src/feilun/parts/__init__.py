"""Bricks that stages and tasks are built of; no brick imports another."""
