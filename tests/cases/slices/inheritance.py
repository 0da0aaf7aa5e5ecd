# need 4: 1 2 3 4
# %%
class Base:
    def hello(self):
        return "base " + self.name()
# %%
class Child(Base):
    def name(self):
        return word
# %%
word = "child"
# %%
print(Child().hello())
