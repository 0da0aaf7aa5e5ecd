# need 3: 1 2 3
# %%
import os, subprocess
# %%
os.environ["SLICE_WORD"] = "told"
# %%
print(subprocess.run(["sh", "-c", "echo $SLICE_WORD"], capture_output=True, text=True).stdout)
