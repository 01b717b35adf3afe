"""Sphinx's settings for the site. ``build.py`` calls it; the pages know nothing of it."""

project = "Heliograph"
author = "The Heliograph authors"
copyright = author
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "Heliograph"
html_theme_options = {"navigation_with_keys": True}
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
myst_heading_anchors = 4
nitpicky = True
