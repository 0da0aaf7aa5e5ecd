# need 3: 1 2 3
# %%
import decimal
# %%
decimal.getcontext().prec = 4
# %%
print(decimal.Decimal(1) / decimal.Decimal(3))
