# need 4: 1 2 4
# %%
import math, textwrap
# %%
math.tau = 7
# %%
z = textwrap.dedent(" a")
# %%
print(math.tau)
