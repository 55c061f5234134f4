"""One service as a process: settings, migrations, health, the configuration it follows, start and end."""
