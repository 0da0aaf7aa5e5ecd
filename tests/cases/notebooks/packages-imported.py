# requires: numpy pandas
# prelude: packages
# A package is used by the cell that imports it first, with all that it pulls in.

# %%
import numpy
packages()

# %%
import pandas
packages()

# %%
import numpy, pandas
packages()

# %%
print(pandas.DataFrame({"a": numpy.arange(3)}).a.sum())
