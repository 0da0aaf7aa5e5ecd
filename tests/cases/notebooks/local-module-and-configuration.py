# The project's own module is code, its toml is configuration: neither is a package.

# %% [setup]
from pathlib import Path
Path("analysis").mkdir()
Path("analysis/__init__.py").write_text("from .steps import double\n")
Path("analysis/steps.py").write_text("def double(x):\n    return 2 * x\n")
Path("helper.py").write_text("NAME = 'helper'\n")
Path("config.toml").write_text("[run]\nfactor = 3\n")
Path("settings.yaml").write_text("a: 1\n")

# %%
from analysis import double
import helper
print(double(2), helper.NAME)
touched("read", "analysis/__init__.py", role="code")
touched("read", "analysis/steps.py", role="code")
touched("read", "helper.py", role="code")

# %%
import tomllib
with open("config.toml", "rb") as stream:
    print(tomllib.load(stream))
touched("read", "config.toml", role="config")
print(open("settings.yaml").read())
touched("read", "settings.yaml", role="config")

# %%
import importlib
importlib.reload(helper)
may("read", "helper.py", role="any")
