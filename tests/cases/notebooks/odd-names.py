# Unicode in both normal forms, spaces, quotes, newlines, control characters, bytes that are no
# UTF-8, and names that look like a tracer's own words.

# %%
import unicodedata
names = [
    "with space.txt", " leading", "tab\there", "new\nline", "cr\rhere", "bell\x07", "esc\x1b[31m",
    "quote\"double", "quote'single", "back\\slash", "back\\nslash", "comma, and ) = 3",
    "angle<1>", "x> <unfinished ...>", "<... openat resumed>, ) = 7", "percent%20", "hash#?&=",
    "star*", "[0-9]", "{a,b}", "$HOME", "~", "-dash", "gone (deleted)", "/".join(["..name", "x"]),
    unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é"), "日本語.csv", "😀",
    "\u202eright-to-left", "n" * 255, b"latin-\xe9.txt", b"\xff\xfe", b"mixed-\xc3\xa9-\xc3",
]
os.mkdir("..name")
for number, name in enumerate(names):
    with open(name, "w") as stream:
        stream.write(str(number))
    touched("write", name)

# %%
print([open(name).read() for name in names])
for name in names:
    touched("read", name)

# %%
import subprocess
subprocess.run(["cat", "--", *names[:12]], stdout=subprocess.DEVNULL, check=True)
for name in names[:12]:
    touched("read", name)

# %%
os.rename(b"\xff\xfe", b"\xfe\xff\n")
renamed(b"\xff\xfe", b"\xfe\xff\n")
os.remove("new\nline")
touched("remove", "new\nline")
