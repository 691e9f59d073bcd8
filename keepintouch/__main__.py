"""`python -m keepintouch`: the command line where no `keepintouch` is on the path."""
from keepintouch.cli import main

if __name__ == "__main__":
    main()
