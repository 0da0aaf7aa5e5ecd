# requires: pandas
# need 4: 1 2 3 4
# %%
import pandas as pd
# %%
s = pd.Series([1, 2, 3], index=list("abc"))
# %%
s.loc["b"] = 20
# %%
print(s.sum())
