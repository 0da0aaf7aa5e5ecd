# files
# need 4: 1 2 3 4
# %%
open("numbers.txt", "w").write("1\n2\n3\n");
# %%
handle = open("numbers.txt")
# %%
first = handle.readline()
# %%
print(handle.read().split())
