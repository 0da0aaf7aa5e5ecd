# need 5: 1 2 5
# %%
class Config:
    level = 1
# %%
Config.level = 5
# %%
other = Config()
# %%
text = "x" * 3
# %%
print(Config.level)
