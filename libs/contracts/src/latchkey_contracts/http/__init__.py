"""Models of the public JSON API (api.md). The gateway and the service behind it validate with the same ones."""
