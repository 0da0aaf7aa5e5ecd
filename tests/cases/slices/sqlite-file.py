# files
# need 4: 1 2 3 4
# %%
import sqlite3
db = sqlite3.connect("base.sqlite")
db.execute("create table t (x)"); db.commit()
# %%
db.execute("insert into t values (3)"); db.commit()
# %%
db.close()
# %%
print(sqlite3.connect("base.sqlite").execute("select x from t").fetchall())
