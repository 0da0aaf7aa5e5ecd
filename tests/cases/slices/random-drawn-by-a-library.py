# requires: pandas
# need 4: 1 2 3 4
# %%
import numpy as np, pandas as pd
# %%
df = pd.DataFrame({"a": range(50)})
# %%
np.random.seed(1)
# %%
print(df.sample(3)["a"].tolist())
