# need 3: 1 2 3
# %%
import fractions
# %%
fractions.Fraction.half = lambda self: self / 2
# %%
print(fractions.Fraction(3).half())
