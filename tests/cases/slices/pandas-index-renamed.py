# requires: pandas
# need 4: 1 2 3 4
# %%
import pandas as pd
# %%
df = pd.DataFrame({"x": [1, 2]})
# %%
df.columns = ["y"]
df.index.name = "row"
# %%
print(df)
