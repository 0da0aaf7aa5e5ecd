# need 4: 1 2 3 4
# %%
class Meta(type):
    made = []
    def __new__(cls, name, bases, space):
        made = super().__new__(cls, name, bases, space)
        cls.made.append(name)
        return made
# %%
class A(metaclass=Meta):
    pass
# %%
class B(A):
    pass
# %%
print(Meta.made)
