# need 5: 1 2 3 5
# %%
class Node:
    every = []
    def __init__(self, name):
        self.name = name
        Node.every.append(self)
# %%
a = Node("a")
# %%
b = Node("b")
# %%
word = a.name
# %%
print([n.name for n in Node.every])
