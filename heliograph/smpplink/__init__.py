"""asyncio around `heliograph.smpp`: the link of a client to its SMSC, and a server for links of clients."""
