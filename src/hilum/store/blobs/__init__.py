"""The content of large Binaries, kept beside the store: docs/adr/0013-binaries.md."""
