# need 5: 1 2 3 5
# %%
import enum
# %%
class Colour(enum.Enum):
    RED = 1
class Point:
    __slots__ = ("x", "colour")
p = Point(); p.x = 1
# %%
p.colour = Colour.RED
# %%
q = Point()
# %%
print(p.x, p.colour.name)
