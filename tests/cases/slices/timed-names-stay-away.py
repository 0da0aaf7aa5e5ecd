# need 3: 1 3
# %%
x = "outer"
# %%
%timeit -q -n 1 -r 1 x = 5
None
# %%
print(x)
