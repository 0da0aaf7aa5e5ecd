# need 4: 1 2 4
# %%
n = 3
# %%
%%capture
%time total = sum(range(n))
# %%
spare = 1
# %%
print(total)
