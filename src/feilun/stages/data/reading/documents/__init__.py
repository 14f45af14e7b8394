"""Documents: text files, web pages, PDF and Word files become passages, each with its document and its place there."""
