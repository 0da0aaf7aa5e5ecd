# Zones of the system and of Python, and the local time of a place.
# prelude: none
# %%
import datetime, os, time, zoneinfo
moment = datetime.datetime(2024, 7, 1, 12, tzinfo=datetime.timezone.utc)
for name in ("Europe/Berlin", "Asia/Kathmandu", "America/St_Johns"):
    print(name, moment.astimezone(zoneinfo.ZoneInfo(name)).isoformat())
# %%
os.environ["TZ"] = "Pacific/Chatham"
time.tzset()
print(time.strftime("%H:%M %Z", time.localtime(moment.timestamp())))
# %%
import pandas as pd
print(pd.Timestamp("2024-07-27 01:30").tz_localize("Europe/Lisbon"))
