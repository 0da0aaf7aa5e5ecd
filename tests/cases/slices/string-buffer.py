# need 5: 1 2 3 5
# %%
import io
# %%
buffer = io.StringIO()
# %%
print("line", file=buffer)
# %%
other = io.StringIO("x")
# %%
print(repr(buffer.getvalue()))
