# need 4: 1 2 4
# %%
import logging, sys
# %%
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout, force=True)
# %%
n = 2
# %%
logging.info("told")
