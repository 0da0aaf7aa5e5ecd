# requires: PIL yaml dateutil
# prelude: packages
# The module's name is not the distribution's: PIL is Pillow, yaml PyYAML, dateutil python-dateutil.

# %%
import PIL.Image
packages()

# %%
import yaml
print(yaml.safe_load("a: 1"))
packages()

# %%
import subprocess, sys
program = "import dateutil.parser; print(dateutil.parser.parse('1 May 2020').date())"
print(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout)
packages_of_interpreter("python-dateutil")

# %%
PIL.Image.new("RGB", (2, 2), "red").save("red.png")
touched("write", "red.png")
may("read", "red.png")
packages()

# %%
print(subprocess.run([sys.executable, "-c", "import yaml; print(yaml.safe_load('b: 2'))"],
                     capture_output=True, text=True).stdout)
packages_of_interpreter("PyYAML")
