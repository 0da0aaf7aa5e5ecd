# need 3: 1 3
# %%
name = "world"
# %%
unused = "x"
# %%
!echo $name
