"""Pages of devices: what is enrolled, linked and held, and a patient's readings as charts."""
