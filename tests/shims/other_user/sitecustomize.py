"""A user whose number is in no list of users, as containers with another uid have it: no name, no home."""

import os
import pwd


def _unknown(number: object) -> pwd.struct_passwd:
    raise KeyError(f"getpwuid(): uid not found: {number}")


for _name in ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME", "XDG_CACHE_HOME", "MPLCONFIGDIR", "HANDSSS_CACHE"):
    os.environ.pop(_name, None)
pwd.getpwuid = _unknown
