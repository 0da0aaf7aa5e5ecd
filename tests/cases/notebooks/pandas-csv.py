# requires: pandas

# %% [setup]
from pathlib import Path
Path("stations.csv").write_text("station,rain\n" + "".join(f"s{i},{i * 3 % 7}\n" for i in range(50)))

# %%
import pandas as pd
touched("read", pd._libs.lib.__file__, role="package")

# %%
stations = pd.read_csv("stations.csv")
touched("read", "stations.csv")
print(stations.rain.sum())

# %%
stations.groupby("rain").size().to_csv("counts.csv")
touched("write", "counts.csv")
stations.to_json("stations.json.gz", orient="records")
touched("write", "stations.json.gz")
may("read", "stations.json.gz")

# %%
print(len(pd.read_csv("counts.csv")), len(pd.read_json("stations.json.gz")))
touched("read", "counts.csv")
touched("read", "stations.json.gz")
