"""The one way out by HTTP: guarded against private addresses, bounded in everything."""

from heliograph.outbound.addresses import AddressRefused, check_url, is_public
from heliograph.outbound.direct import DirectHttp
from heliograph.outbound.fetching import Fetching
from heliograph.outbound.helped import HelperHttp

__all__ = ["AddressRefused", "DirectHttp", "Fetching", "HelperHttp", "check_url", "is_public"]
