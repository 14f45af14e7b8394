"""From a source to a table as it came: files, folders, archives, databases, the web, tables from Python."""
