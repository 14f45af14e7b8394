"""The vocabulary: recipe, task, manifest, errors, discovery, protocols."""
