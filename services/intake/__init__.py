"""The gateway: what case systems send over HTTP, or in files, becomes events and staff on their topics."""
