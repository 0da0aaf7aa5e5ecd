# need 4: 1 2 3 4
# %%
raw = bytearray(b"abcd")
# %%
view = memoryview(raw)
# %%
view[0] = ord("z")
# %%
print(bytes(raw))
