# requires: pandas
# need 6: 1 2 4 6
# %%
import pandas as pd
# %%
df = pd.DataFrame({"x": [1, 2, 3]})
# %%
mean = df["x"].mean()
# %%
df["y"] = df["x"] * 2
# %%
head = df.head(2)
# %%
print(df)
