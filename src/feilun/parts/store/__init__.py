"""The database and the prediction log."""
