# requires: pandas
# need 5: 1 2 3 5
# %%
import pandas as pd
# %%
df = pd.DataFrame({"k": list("aab"), "v": [1, 2, 3]})
# %%
grouped = df.groupby("k")
# %%
df = df.assign(v=0)
# %%
print(grouped["v"].sum().tolist())
