# need 5: 1 2 3 5
# %%
import heapq
# %%
heap = [5, 3, 9]
# %%
heapq.heapify(heap)
# %%
low = heapq.nsmallest(1, heap)
# %%
print(heap)
