"""The door: every write and every read passes here, whatever the wire. Permit, validate, stamp, index, audit, commit."""
