# need 3: 1 2 3
# %%
command = ["go", "north"]
# %%
match command:
    case ["go", where]:
        going = where
    case _:
        going = None
# %%
print(going)
