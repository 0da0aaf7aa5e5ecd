# files
# need 4: 1 3 4
# %%
import os
os.makedirs("out/deep")
# %%
n = 2
# %%
open("out/deep/a.txt", "w").write("x");
# %%
print(sorted(os.listdir("out/deep")))
