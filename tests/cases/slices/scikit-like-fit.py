# requires: numpy
# need 5: 1 2 3 4 5
# %%
import numpy as np
# %%
class Model:
    def fit(self, x):
        self.mean_ = x.mean()
        return self
# %%
x = np.array([1.0, 2.0, 6.0]); model = Model()
# %%
model.fit(x)
None
# %%
print(model.mean_)
