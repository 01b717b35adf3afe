"""Carriers over SMPP 3.4."""

from heliograph.connectors.kinds import Kind
from heliograph.connectors.smpp.connector import SmppConnector
from heliograph.connectors.smpp.settings import SmppSettings

__all__ = ["KIND", "SmppConnector", "SmppSettings"]

KIND = Kind(settings=SmppSettings, make=SmppConnector)
