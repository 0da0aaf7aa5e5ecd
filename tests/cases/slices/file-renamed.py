# files
# need 3: 1 2 3
# need 4: 1 2 4
# %%
import os; open("part.txt", "w").write("done");
# %%
os.rename("part.txt", "whole.txt")
# %%
print(os.path.exists("part.txt"))
# %%
print(open("whole.txt").read())
