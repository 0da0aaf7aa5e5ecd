# One connection over three cells. SQLite reads with pread, which moves no offset that anybody can
# see afterwards: a query through a held connection may be reported, a change must be.

# %%
import sqlite3
connection = sqlite3.connect("held.db")
connection.execute("create table rain(mm)")
connection.commit()
touched("write", "held.db")
may("read", "held.db")
for mode in ("read", "write", "remove"):
    may(mode, "held.db-journal", role="any")

# %%
connection.executemany("insert into rain values (?)", [(n,) for n in range(5000)])
connection.commit()
inferred("write", "held.db")
may("read", "held.db")
for mode in ("read", "write", "remove"):
    may(mode, "held.db-journal", role="any")

# %%
print(connection.execute("select sum(mm) from rain").fetchall())
may("read", "held.db", certainty="inferred")
may("write", "held.db", certainty="inferred")

# %%
connection.close()
may("read", "held.db", certainty="inferred")
may("write", "held.db", certainty="inferred")
