# What the C library knows of languages, and glyphs of the fonts of matplotlib.
# prelude: none
# %%
import locale
print(locale.setlocale(locale.LC_ALL, "C.UTF-8"), "ä".isalpha(), "straße".upper())
print(sorted(["b", "A", "ä", "Z"], key=locale.strxfrm))
# %%
try:
    print(locale.setlocale(locale.LC_ALL, "de_DE.UTF-8"), locale.format_string("%.2f", 1234.5, grouping=True))
except locale.Error as error:
    print("no such locale:", error)
# %%
from matplotlib import font_manager
from matplotlib.textpath import TextPath
from matplotlib.font_manager import FontProperties
print(font_manager.findfont("DejaVu Serif").rpartition("/")[2])
path = TextPath((0, 0), "Zürich ∑", size=12, prop=FontProperties(family="DejaVu Serif"))
print(len(path.vertices), path.vertices.sum().round(3))
# %%
print("\N{GREEK SMALL LETTER OMEGA}".encode("iso8859_7"), "漢字".encode("gb18030"))
