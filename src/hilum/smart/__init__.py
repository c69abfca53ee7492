"""The authorization server: SMART App Launch, OAuth 2.0, OpenID Connect. https://hl7.org/fhir/smart-app-launch/"""
