"""Who is calling, and what they may do."""

from heliograph.access.allowing import ranges_of
from heliograph.access.keys import KeyRing, make_key, successor_of
from heliograph.access.principals import Principal

__all__ = ["KeyRing", "Principal", "make_key", "ranges_of", "successor_of"]
