# need 4: 1 2 3 4
# %%
seen = []
# %%
def note(*_args):
    seen.append(len(seen))
# %%
get_ipython().events.register("pre_run_cell", note)
# %%
print(len(seen))
