"""The deployable model: layout, hashes, answering."""
