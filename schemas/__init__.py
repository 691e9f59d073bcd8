"""What is said: every message that goes over the wire, as pydantic models.

JSON Schema files (`schemas/json/`) and an AsyncAPI document (`schemas/asyncapi.yaml`) are generated from these models by
`python -m schemas.generate`. Nothing here knows what a message means: that is `keepintouch.standards`.
"""
