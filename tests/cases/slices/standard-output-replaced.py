# need 4: 2 4
# %%
n = 1
# %%
import sys
class Upper:
    def write(self, text):
        return old.write(text.upper())
    def flush(self):
        pass
old = sys.stdout
# %%
m = 2
# %%
keep = sys.stdout
sys.stdout = Upper()
old = keep
print("loud")
sys.stdout = keep
