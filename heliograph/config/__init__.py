"""The configuration: what it may say, reading it, and telling everything that is wrong with it."""

from heliograph.config.fields import setting
from heliograph.config.loading import load
from heliograph.config.settings import (
    AccountSettings,
    Config,
    ConnectorConfig,
    HttpSettings,
    LimitSettings,
    LogSettings,
    NumberSettings,
    RetentionSettings,
    RouteSettings,
    StoreSettings,
    WebhookSettings,
)

__all__ = [
    "AccountSettings",
    "Config",
    "ConnectorConfig",
    "HttpSettings",
    "LimitSettings",
    "LogSettings",
    "NumberSettings",
    "RetentionSettings",
    "RouteSettings",
    "StoreSettings",
    "WebhookSettings",
    "load",
    "setting",
]
