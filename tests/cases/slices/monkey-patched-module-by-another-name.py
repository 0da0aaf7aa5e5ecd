# need 4: 1 2 3 4
# %%
import textwrap
# %%
textwrap.shorten = lambda text, width: text[:width]
# %%
import textwrap as tw
# %%
print(tw.shorten("abcdef", 3))
