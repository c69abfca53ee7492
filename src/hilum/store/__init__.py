"""Durable storage: five verbs, and SQLite and PostgreSQL behind them."""
