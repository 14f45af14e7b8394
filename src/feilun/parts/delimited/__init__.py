"""Delimited text as people save it: which encoding, which delimiter. The same when training and when answering."""
