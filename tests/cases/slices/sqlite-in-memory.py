# need 5: 1 2 3 5
# %%
import sqlite3
db = sqlite3.connect(":memory:")
# %%
db.execute("create table t (x)")
None
# %%
cursor = db.cursor(); cursor.execute("insert into t values (5)")
None
# %%
spare = [1]
# %%
print(db.execute("select x from t").fetchall())
