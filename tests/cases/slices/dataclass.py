# need 5: 1 2 4 5
# %%
from dataclasses import dataclass, field
# %%
@dataclass
class Box:
    things: list = field(default_factory=list)
box = Box()
# %%
n = len(box.things)
# %%
box.things += ["a"]
# %%
print(box)
