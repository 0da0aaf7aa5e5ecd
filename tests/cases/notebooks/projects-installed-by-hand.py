# An editable project, a developed one (egg-link), one with an egg-info, and two halves of a
# namespace package.

# %% [setup]
import json
from pathlib import Path

def write(path, text):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)

def metadata(name, version):
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"

def record(site, info, *files):
    write(f"{site}/{info}/RECORD", "".join(f"{file},,\n" for file in (*files, f"{info}/METADATA", f"{info}/RECORD")))

root = Path.cwd()
write("editable/src/tinyproj/__init__.py", "from .inner import VALUE\n")
write("editable/src/tinyproj/inner.py", "VALUE = 4\n")
write("editable/pyproject.toml", "[project]\nname = 'tinyproj'\nversion = '0.3'\n")
info = "tinyproj-0.3.dist-info"
write(f"site/{info}/METADATA", metadata("tinyproj", "0.3"))
write(f"site/{info}/direct_url.json", json.dumps({"url": (root / "editable").as_uri(), "dir_info": {"editable": True}}))
write("site/__editable__.tinyproj-0.3.pth", f"{root}/editable/src\n")
record("site", info, "__editable__.tinyproj-0.3.pth", f"{info}/direct_url.json")

write("legacy/oldproj/__init__.py", "VALUE = 5\n")
write("legacy/Old_Proj.egg-info/PKG-INFO", metadata("Old-Proj", "2.0.1"))
write("legacy/Old_Proj.egg-info/top_level.txt", "oldproj\n")
write("legacy/Old_Proj.egg-info/SOURCES.txt", "oldproj/__init__.py\n")
write("site/Old-Proj.egg-link", f"{root}/legacy\n.")
write("site/easy-install.pth", f"{root}/legacy\n")

write("site/older/__init__.py", "VALUE = 6\n")
write("site/Older-0.9.egg-info/PKG-INFO", metadata("Older", "0.9"))
write("site/Older-0.9.egg-info/installed-files.txt", "../older/__init__.py\nPKG-INFO\n")

for half in ("north", "south"):
    write(f"site/acme/{half}/__init__.py", f"NAME = '{half}'\n")
    write(f"site/acme_{half}-1.{len(half)}.dist-info/METADATA", metadata(f"acme.{half}", f"1.{len(half)}"))
    record("site", f"acme_{half}-1.{len(half)}.dist-info", f"acme/{half}/__init__.py")

# %%
import site
site.addsitedir("site")
may("read", "site/__editable__.tinyproj-0.3.pth", role="any")
may("read", "site/easy-install.pth", role="any")

# %%
import tinyproj
print(tinyproj.VALUE)
package("tinyproj", "0.3")

# %%
import oldproj
print(oldproj.VALUE)
package("Old-Proj", "2.0.1")

# %%
import older
print(older.VALUE)
package("Older", "0.9")

# %%
import acme.north
print(acme.north.NAME)
package("acme.north", "1.5")

# %%
import acme.south
print(acme.south.NAME)
package("acme.south", "1.5")
