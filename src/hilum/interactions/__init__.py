"""The door: all writes and reads pass here, whatever the wire. Permit, validate, stamp, index, audit, commit."""
