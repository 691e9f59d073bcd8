"""`python -m services.contact_monitor`."""
from .main import main

main()
