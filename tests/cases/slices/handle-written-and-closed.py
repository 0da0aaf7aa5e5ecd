# files
# need 4: 1 2 3 4
# %%
out = open("made.txt", "w")
# %%
out.write("first\n");
# %%
out.close()
# %%
print(open("made.txt").read())
