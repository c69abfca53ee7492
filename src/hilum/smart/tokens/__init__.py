"""Tokens and the grants behind them: given for a code or an assertion, refreshed, looked at, ended."""
