# need 4: 1 2 3 4
# %%
import logging, sys
# %%
logging.basicConfig(format="%(name)s %(message)s", stream=sys.stdout, force=True)
# %%
logging.getLogger("mine").setLevel(logging.DEBUG)
# %%
logging.getLogger("mine").debug("seen")
