"""HL7 v2.x: messages, acknowledgements, and what devices send (IHE PCD-01). Pure: bytes in, values out.

https://www.hl7.org/implement/standards/product_brief.cfm?product_id=185 (chapter 2: control).
"""
