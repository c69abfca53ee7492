"""An EHR to try a client against: hilum's own server, behaving like a vendor's, quirks and faults included."""
