# need 4: 1 2 4
# %%
word = "hello"
# %%
said = !echo {word}
# %%
spare = !echo other
# %%
print(said)
