"""Who saw and did what: recorded, sealed, shown as AuditEvents. https://profiles.ihe.net/ITI/BALP/"""
