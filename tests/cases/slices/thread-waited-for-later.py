# need 4: 1 2 3 4
# %%
import threading
got, go = [], threading.Event()
# %%
worker = threading.Thread(target=lambda: (go.wait(5), got.append(1)))
worker.start()
# %%
go.set(); worker.join()
# %%
print(got)
