"""Pure arithmetic that several bricks need; imports nothing of ours."""
