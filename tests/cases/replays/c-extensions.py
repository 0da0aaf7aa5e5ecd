# Libraries with compiled parts: linear algebra, images, YAML, compression, sockets of ZeroMQ.
# prelude: none
# %%
import numpy as np, yaml, zstandard, zmq, PIL.Image
rng = np.random.default_rng(5)
matrix = rng.normal(size=(40, 40))
print(np.linalg.slogdet(matrix)[1].round(6), np.linalg.svd(matrix, compute_uv=False)[:2].round(6))
# %%
image = PIL.Image.fromarray((np.outer(np.arange(64), np.arange(64)) % 256).astype("uint8"))
image.save("made.jpg", quality=80)
print(PIL.Image.open("made.jpg").size, yaml.__with_libyaml__)
image
# %%
print(zstandard.decompress(zstandard.compress(b"x" * 1000)) == b"x" * 1000, zmq.zmq_version_info()[0])
# %%
import scipy.optimize
print(scipy.optimize.brentq(lambda x: x**3 - 2, 0, 2).__round__(9))
