# Directories with odd names, and a path of three thousand characters.

# %%
deep = "/".join(f"{'é d' * 30}{level}" for level in range(24))
os.makedirs(deep)
with open(f"{deep}/deep.txt", "w") as stream:
    stream.write("deep")
touched("write", f"{deep}/deep.txt")
print(len(os.fsencode(os.path.realpath(deep))) > 2500)

# %%
os.chdir(deep)
print(open("deep.txt").read())
touched("read", "deep.txt")
