# need 4: 1 3 4
# %%
import logging, sys
# %%
logging.basicConfig(format="%(name)s %(message)s", stream=sys.stdout, force=True)
# %%
logging.getLogger("mine").setLevel(logging.DEBUG)
# %%
print(logging.getLogger("mine").isEnabledFor(logging.DEBUG))
