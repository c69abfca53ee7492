"""Bytes of HTTP, before they mean anything: bodies, paths and queries, headers, the log of requests."""
