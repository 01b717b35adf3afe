"""The documents are held to the code: links, tables, figures, examples."""
