"""Data as people save it: encodings, delimiters, headers, decimal marks, JSON, arrays, archives. Training and answering
read them alike.
"""
