# requires: pandas
# need 5: 1 2 3 5
# %%
import pandas as pd
# %%
def plus(frame):
    return frame.assign(z=frame["x"] + offset)
# %%
offset = 10; df = pd.DataFrame({"x": [1, 2]})
# %%
wide = df.pipe(plus)
# %%
print(df.pipe(plus)["z"].tolist())
