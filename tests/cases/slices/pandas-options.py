# requires: pandas
# need 4: 1 2 3 4
# %%
import pandas as pd
# %%
pd.set_option("display.precision", 2)
# %%
df = pd.DataFrame({"x": [1 / 3]})
# %%
print(df)
