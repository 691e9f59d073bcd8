"""`keepintouch check`: what a council's own files say about its contact with care leavers.

`reading` takes files in, `analysis` works everything out (pure), the rest shows it: `screen`, `page`, `tables`, `worklist`.
"""
