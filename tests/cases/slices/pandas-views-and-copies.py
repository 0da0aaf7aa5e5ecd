# requires: pandas
# need 5: 1 2 5
# %%
import pandas as pd
# %%
df = pd.DataFrame({"k": list("aab"), "v": [1, 2, 3]})
# %%
small = df[df["v"] > 1].copy()
# %%
small["v"] = 0
# %%
print(df.groupby("k")["v"].sum().to_dict())
