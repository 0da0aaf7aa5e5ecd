# files
# requires: pandas
# need 5: 1 2 3 5
# %%
import pandas as pd
# %%
pd.DataFrame({"x": [1, 2, 3]}).to_csv("x.csv", index=False)
# %%
df = pd.read_csv("x.csv")
# %%
top = df.head(1)
# %%
print(df["x"].sum())
