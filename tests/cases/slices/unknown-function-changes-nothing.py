# need 5: 1 2 5
# %%
import json
# %%
data = {"a": [1, 2]}
# %%
text = json.dumps(data)
# %%
keys = list(map(str, data))
# %%
print(data)
