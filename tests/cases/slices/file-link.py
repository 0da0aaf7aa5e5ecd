# files
# need 4: 1 2 4
# %%
import json
# %%
with open("made.json", "w") as stream:
    json.dump([1, 2], stream)
# %%
spare = 5
# %%
with open("made.json") as stream:
    print(json.load(stream))
