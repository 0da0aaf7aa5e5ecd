# need 1: 1
# need 3: 3
# need 4: 1 4
# %%
40 + 2
# %%
a = 5
# %%
"text"
# %%
print(Out[1] + 1)
