# Plug-ins that are found by the entry points of installed distributions.
# prelude: none
# %%
from importlib.metadata import entry_points, version, requires, files
print(sorted(point.name for point in entry_points(group="pytest11")))
print(entry_points(group="console_scripts", name="jupyter")["jupyter"].value)
# %%
print(version("numpy"), version("ipykernel"), len(requires("pandas")) > 3)
# %%
plugin = entry_points(group="pygments.lexers")["ipython3"].load()
print(plugin.__name__)
