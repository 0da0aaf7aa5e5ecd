# need 4: 1 2 3 4
# %%
from contextlib import contextmanager
stack = []
# %%
@contextmanager
def pushed(x):
    stack.append(x)
    yield
    stack.append(-x)
# %%
with pushed(3):
    pass
# %%
print(stack)
