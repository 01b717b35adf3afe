"""Where the truth is kept: one contract, fulfilled on SQLite and on PostgreSQL."""
