# files
# need 4: 1 2 3 4
# %%
import os
os.mkdir("inner")
# %%
os.chdir("inner")
# %%
open("here.txt", "w").write("found");
# %%
print(open("here.txt").read())
