# need 5: 1 2 3 5
# %%
class Stack:
    def __init__(self):
        self.items = []
    def push(self, x):
        self.items.append(x)
        return self
# %%
s = Stack()
# %%
s.push(1).push(2)
None
# %%
t = Stack()
# %%
print(s.items)
