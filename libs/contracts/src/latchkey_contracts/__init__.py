"""Latchkey's public contracts: what other people's services build on.

One module per publishing service holds its events (`latchkey_contracts.identity.UserRegistered`), `wire` turns them into
Kafka records and back (CloudEvents 1.0, binary and structured mode), `topics` names the topics, `http` holds the models of
the public JSON API. The package needs Pydantic only.
"""
