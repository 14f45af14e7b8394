"""The stages of the loop, one folder each: manifest in, manifest out."""
