# json, pickle, gzip, bz2, zipfile, tarfile and shelve: whatever opens it, the file is what counts.

# %% [setup]
import gzip
with gzip.open("in.json.gz", "wt") as stream:
    stream.write('{"n": 4}')

# %%
import bz2, gzip, json, pickle
with gzip.open("in.json.gz", "rt") as stream:
    value = json.load(stream)
touched("read", "in.json.gz")
with open("value.pickle", "wb") as stream:
    pickle.dump(value, stream)
touched("write", "value.pickle")
with bz2.open("value.txt.bz2", "wt") as stream:
    stream.write(str(value))
touched("write", "value.txt.bz2")

# %%
import zipfile
with zipfile.ZipFile("all.zip", "w") as archive:
    archive.write("value.pickle")
    archive.write("value.txt.bz2")
touched("write", "all.zip")
may("read", "all.zip")
touched("read", "value.pickle")
touched("read", "value.txt.bz2")

# %%
with zipfile.ZipFile("all.zip") as archive:
    archive.extract("value.pickle", "unpacked")
touched("read", "all.zip")
touched("write", "unpacked/value.pickle")

# %%
import tarfile
with tarfile.open("all.tar", "w") as archive:
    archive.add("unpacked")
touched("write", "all.tar")
touched("read", "unpacked/value.pickle")
with open("unpacked/value.pickle", "rb") as stream:
    print(pickle.load(stream))
