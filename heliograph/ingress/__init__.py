"""Entrances: REST for now; dialects, SMPP customers and carriers' callbacks stand beside it."""
