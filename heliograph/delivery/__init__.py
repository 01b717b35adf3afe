"""The pipeline: intake → dispatch → receipts → outbox; inbound and rescue beside it."""
