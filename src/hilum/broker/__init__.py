"""The SMART client: connections to other EHRs, signing in to them, gathering a patient's resources, delivering them."""
