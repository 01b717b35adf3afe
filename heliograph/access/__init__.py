"""Who is calling, and what they may do."""

from heliograph.access.keys import KeyRing, Principal, make_key

__all__ = ["KeyRing", "Principal", "make_key"]
