"""Models of the public JSON API (docs/openapi.json). The gateway and the service behind it validate with the same ones."""
