# need 4: 1 2 4
# %%
from IPython.core.magic import register_line_magic
# %%
@register_line_magic
def shout(line):
    print(line.upper())
# %%
spare = 4
# %%
%shout hello
