"""The one way out by HTTP: guarded against private addresses, bounded in everything."""

from heliograph.outbound.addresses import AddressRefused, check_url, is_public
from heliograph.outbound.direct import DirectHttp
from heliograph.outbound.guarded import GuardedHttp

__all__ = ["AddressRefused", "DirectHttp", "GuardedHttp", "check_url", "is_public"]
