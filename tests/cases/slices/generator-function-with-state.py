# need 5: 1 2 3 5
# %%
def numbers():
    n = start
    while True:
        yield n
        n += 1
# %%
start = 5; it = numbers()
# %%
a = next(it), next(it)
# %%
start = 100
# %%
print(next(it))
