"""Tables that people write, as TOML files: those that come with hilum, and one's own beside them. https://toml.io/en/v1.0.0"""
