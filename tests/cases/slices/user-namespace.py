# need 2: 1 2
# %%
get_ipython().user_ns["injected"] = 11
# %%
print(injected)
