# need 3: 1 2 3
# %%
import threading
got = []
# %%
worker = threading.Thread(target=lambda: got.append(1))
worker.start()
worker.join()
# %%
print(got)
