"""The processes of `python -m bench gather`: the broker, a bare loop, and an EHR that answers from memory."""
