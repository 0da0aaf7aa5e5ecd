# need 4: 1 2 3 4
# %%
class Log(dict):
    def __missing__(self, key):
        self[key] = len(self)
        return self[key]
# %%
log = Log()
# %%
x = log["a"], log["b"]
# %%
print(sorted(log.items()))
