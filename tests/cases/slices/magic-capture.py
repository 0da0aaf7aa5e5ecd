# need 3: 1 2 3
# %%
word = "hidden"
# %%
%%capture said
print(word)
# %%
print(said.stdout.upper())
