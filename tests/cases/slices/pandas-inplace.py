# requires: pandas
# need 5: 1 2 3 5
# %%
import pandas as pd
# %%
df = pd.DataFrame({"b": [2, 1], "a": [3, 4]})
# %%
df.insert(1, "c", 0)
# %%
stats = df.describe()
# %%
print(df.to_dict("list"))
