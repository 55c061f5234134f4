"""The local inbox: every mail of the local run, taken over real SMTP, to be read on a page. Never in an image (README.md)."""
