# Data of packages by importlib.resources, pkgutil and the package's own ways.
# prelude: none
# %%
import hashlib, importlib.resources, json, pkgutil
schema = importlib.resources.files("nbformat").joinpath("v4/nbformat.v4.schema.json").read_text()
print(sorted(json.loads(schema)))
names = sorted(p.name for p in importlib.resources.files("jsonschema_specifications").joinpath("schemas").iterdir())
print(names)
# %%
print(hashlib.sha256(pkgutil.get_data("pygments", "lexers/_mapping.py")).hexdigest()[:12])
# %%
fonts = importlib.resources.files("matplotlib").joinpath("mpl-data/fonts/ttf")
print(sorted(path.name for path in fonts.iterdir())[:5], len(list(fonts.iterdir())))
