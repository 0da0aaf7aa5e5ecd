# files
# need 3: 1 2 3
# need 5: 4 5
# %%
open("log.txt", "w").write("one\n");
# %%
open("log.txt", "a").write("two\n");
# %%
print(open("log.txt").read())
# %%
open("log.txt", "w").write("new\n");
# %%
print(open("log.txt").read())
