# A database made in one cell and queried in the next; SQLite opens for both unless told otherwise.

# %%
import sqlite3, sys
connection = sqlite3.connect("stations.db")
connection.execute("create table rain(day, mm)")
connection.executemany("insert into rain values (?, ?)", [(d, d % 5) for d in range(200)])
connection.commit()
connection.close()
touched("write", "stations.db")
may("read", "stations.db")
for mode in ("read", "write", "remove"):
    may(mode, "stations.db-journal", role="any")

# %%
connection = sqlite3.connect(f"file:{os.getcwd()}/stations.db?mode=ro", uri=True)
print(connection.execute("select sum(mm) from rain").fetchall())
connection.close()
touched("read", "stations.db")

# %%
connection = sqlite3.connect("stations.db")
print(connection.execute("select max(mm) from rain").fetchall())
connection.close()
touched("read", "stations.db")
may("write", "stations.db")

# %%
!{sys.executable} -c "import sqlite3; c = sqlite3.connect('stations.db'); c.execute('delete from rain'); c.commit()"
touched("read-write", "stations.db")
for mode in ("read", "write", "remove"):
    may(mode, "stations.db-journal", role="any")
